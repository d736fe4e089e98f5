#include <gtest/gtest.h>

#include "support.h"
#include "text/tokenizer.h"

namespace longhaul {
namespace {

TEST(Bytes, EveryByteIsItsOwnIdAndComesBack) {
  auto tokenizer = make_tokenizer("bytes");
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  std::vector<int64_t> ids = {7};  // encode appends
  tokenizer->encode(all, ids);
  ASSERT_EQ(ids.size(), 257u);
  EXPECT_EQ(ids[0], 7);
  for (int64_t i = 0; i < 256; ++i) EXPECT_EQ(ids[i + 1], i);
  EXPECT_EQ(tokenizer->decode({ids.begin() + 1, ids.end()}), all);
}

TEST(Bytes, EndOfTextIsAnIdButNoText) {
  auto tokenizer = make_tokenizer("bytes");
  EXPECT_EQ(tokenizer->vocab_size(), 257);
  EXPECT_EQ(tokenizer->end_of_text(), 256);
  EXPECT_EQ(tokenizer->decode({256, 'a', 256, 'b', 256}), "ab");
}

TEST(Bytes, RejectsIdsOutsideTheVocabulary) {
  auto tokenizer = make_tokenizer("bytes");
  EXPECT_EQ(error_of([&] { tokenizer->decode({1, 257}); }), "bytes: ids must be in [0, 257), got 257 at position 1");
  EXPECT_EQ(error_of([&] { tokenizer->decode({-1}); }), "bytes: ids must be in [0, 257), got -1 at position 0");
}

TEST(Tokenizers, TheSpecMakesTheSameTokenizerAgain) {
  for (const std::string& name : Tokenizers().names()) {
    auto first = make_tokenizer(name);
    auto second = make_tokenizer(first->spec());
    EXPECT_EQ(first->hash(), second->hash());
    EXPECT_EQ(first->hash().size(), 32u);
  }
}

TEST(Tokenizers, UnknownNamesAndKeysAreErrors) {
  EXPECT_TRUE(contains(error_of([] { make_tokenizer("byte"); }), "did you mean 'bytes'"));
  EXPECT_TRUE(contains(error_of([] { make_tokenizer("bytes:width=2"); }), "width"));
}

}  // namespace
}  // namespace longhaul
