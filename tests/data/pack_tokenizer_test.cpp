// Packing with a tokenizer.json: its ids, its end of text, on any number of threads.
#include <gtest/gtest.h>

#include "data/pack.h"
#include "data/shards.h"
#include "support.h"
#include "text/made_up.h"

namespace longhaul {
namespace {

TEST(PackTokenizer, WritesItsIdsOnAnyNumberOfThreads) {
  TemporaryFolder folder;
  SortedJson end = {{"content", "<|endoftext|>"}, {"special", true}};
  write_file(folder / "tokenizer.json", made_up_json({{"a", "b"}, {"ab", "c"}}, {end}).dump());
  write_file(folder / "lines.jsonl", "{\"text\":\"abc ab\"}\n{\"text\":\"<|endoftext|>abc\"}\n");
  auto tokenizer = make_tokenizer(folder.path());
  std::vector<int64_t> wanted = {258, 257, ' ', 256, 258};
  tokenizer->encode("<|endoftext|>abc", wanted);  // typed in a text it is no end
  for (int threads : {1, 3}) {
    PackOptions options;
    options.inputs = {folder / "lines.jsonl"};
    options.output = folder / ("out" + std::to_string(threads));
    options.tokenizer = folder.path();
    options.val_every = 0;
    options.threads = threads;
    pack(options);
    Dataset dataset = Dataset::open(options.output);
    EXPECT_EQ(dataset.tokenizer(), folder.path());
    EXPECT_EQ(dataset.tokenizer_hash(), tokenizer->hash());
    EXPECT_EQ(dataset.end_of_text(), 258);
    EXPECT_EQ(dataset.vocab_size(), 259);
    EXPECT_EQ(dataset.vocab_size_without_added(), 258);
    std::vector<int64_t> ids(static_cast<size_t>(dataset.split("train").tokens()));
    dataset.split("train").read(0, ids);
    EXPECT_EQ(ids, wanted);
  }
}

}  // namespace
}  // namespace longhaul
