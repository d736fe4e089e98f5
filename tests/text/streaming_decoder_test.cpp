#include "text/streaming_decoder.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "support.h"
#include "text/utf8.h"

namespace longhaul {
namespace {

// What a terminal gets to see, one entry a call of push(), the last of finish().
std::vector<std::string> streamed(const std::string& bytes) {
  auto tokenizer = make_tokenizer("bytes");
  StreamingDecoder decoder(*tokenizer);
  std::vector<std::string> parts;
  for (unsigned char byte : bytes) parts.push_back(decoder.push(byte));
  parts.push_back(decoder.finish());
  return parts;
}

using Parts = std::vector<std::string>;

TEST(StreamingDecoder, HoldsACharacterBackUntilItIsWhole) {
  EXPECT_EQ(streamed("a\xC3\xA9"), (Parts{"a", "", "\xC3\xA9", ""}));
  EXPECT_EQ(streamed("\xF0\x9F\x98\x80!"), (Parts{"", "", "", "\xF0\x9F\x98\x80", "!", ""}));
}

TEST(StreamingDecoder, GivesOneReplacementForACutCharacter) {
  EXPECT_EQ(streamed("a\xE4\xBD"), (Parts{"a", "", "", "\xEF\xBF\xBD"}));
  EXPECT_EQ(streamed("\xE4\xBD\x41"), (Parts{"", "", "\xEF\xBF\xBD\x41", ""}));
}

TEST(StreamingDecoder, ReplacesAtOnceWhatCanNeverBecomeACharacter) {
  EXPECT_EQ(streamed("\xFF\x80"), (Parts{"\xEF\xBF\xBD", "\xEF\xBF\xBD", ""}));
  EXPECT_EQ(streamed("\xED\xA0"), (Parts{"", "\xEF\xBF\xBD\xEF\xBF\xBD", ""}));  // a surrogate: two ill-formed parts
}

TEST(StreamingDecoder, StartsAnewAfterTheEndAndSkipsSpecialTokens) {
  auto tokenizer = make_tokenizer("bytes");
  StreamingDecoder decoder(*tokenizer);
  std::string text = decoder.push(0xC3);
  text += decoder.push(256);  // ends a text, in the middle of a character
  text += decoder.push(0xA9);
  EXPECT_EQ(text, "\xC3\xA9");
  decoder.push(0xC3);
  EXPECT_EQ(decoder.finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(decoder.push('b'), "b");
  EXPECT_EQ(decoder.finish(), "");
  EXPECT_TRUE(contains(error_of([&] { decoder.push(257); }), "257"));
}

TEST(StreamingDecoder, GoesOnFromATextThatIsKnown) {
  auto tokenizer = make_tokenizer("bytes");
  const auto behind = [&](const std::string& known, const std::string& more) {
    StreamingDecoder decoder(*tokenizer);
    std::vector<int64_t> bytes;
    for (unsigned char byte : known) bytes.push_back(byte);
    decoder.skip(bytes);
    std::string text;
    for (unsigned char byte : more) text += decoder.push(byte);
    return text + decoder.finish();
  };
  EXPECT_EQ(behind("ab", "c"), "c");
  EXPECT_EQ(behind("ab", ""), "");
  EXPECT_EQ(behind("a\xC3", "\xA9!"),
            "\xC3\xA9!");  // the known text ended in U+FFFD, which the whole character takes back
  EXPECT_EQ(behind("a\xC3", "!"), "!");
  EXPECT_EQ(behind("a\xC3", ""), "");
  EXPECT_EQ(behind("\xE4\xBD", "\xA0"), "\xE4\xBD\xA0");
}

// Unicode 15, section 3.9, table 3-8: the example of the standard itself.
TEST(Utf8, ReplacesMaximalSubparts) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(to_utf8("a\xF1\x80\x80\xE1\x80\xC2"
                    "b\x80"
                    "c\x80\xBF"
                    "d"),
            "a" + r + r + r + "b" + r + "c" + r + r + "d");
  EXPECT_EQ(to_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), r + r + r + r + r + r + r + r + "A");  // table 3-9
  EXPECT_FALSE(is_utf8("\xF4\x90\x80\x80"));
  EXPECT_TRUE(is_utf8("\xF4\x8F\xBF\xBF\xEE\x80\x80 plain text, long enough for words of eight"));
}

TEST(Utf8, EveryCodePointComesBackAndAnyBytesStreamAsTheyConvert) {
  for (uint32_t code = 0; code <= 0x10FFFF; ++code) {
    std::string text;
    append_utf8(code, text);
    bool surrogate = code >= 0xD800 && code < 0xE000;
    ASSERT_EQ(is_utf8(text), !surrogate) << code;
    const char* at = text.data();
    if (!surrogate) {
      ASSERT_EQ(next_code_point(at), code);
    }
  }
  Rng rng(1, 2, 3);
  const std::string pool = "a\x80\xBF\xC2\xC3\xE0\xA0\xE4\xED\x9F\xF0\x90\xF4\x8F\xFF ";
  for (int round = 0; round < 3000; ++round) {
    std::string bytes;
    for (int i = 0; i < 12; ++i) bytes += pool[rng.below(pool.size())];
    std::string joined;
    for (const std::string& part : streamed(bytes)) {
      EXPECT_TRUE(is_utf8(part));
      joined += part;
    }
    EXPECT_EQ(joined, to_utf8(bytes));
    EXPECT_TRUE(is_utf8(joined));
  }
}

// The bytes tokenizer may be cut anywhere.
TEST(EncodeParallel, GivesTheSameIdsOnAnyNumberOfThreads) {
  auto tokenizer = make_tokenizer("bytes");
  std::string text;
  for (int i = 0; i < 1'000'003; ++i) text.push_back(static_cast<char>(i * 31 + i / 977));
  std::vector<int64_t> one = {7};
  tokenizer->encode(text, one);
  for (int threads : {1, 2, 3, 16}) {
    std::vector<int64_t> many = {7};
    encode_parallel(*tokenizer, text, threads, many);
    EXPECT_EQ(one, many) << threads;
  }
}

}  // namespace
}  // namespace longhaul
