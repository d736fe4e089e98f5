#include "train/run_tokenizer.h"

#include <gtest/gtest.h>

#include "../support.h"
#include "base/json.h"

namespace longhaul {
namespace {

TEST(RunTokenizer, IsWhatTheRunRecords) {
  TemporaryFolder run;
  EXPECT_TRUE(contains(error_of([&] { run_tokenizer(run.path()); }), "does not say its tokenizer"));
  write_json(run / "train.json", {{"tokenizer", "bytes"}, {"tokenizer_hash", make_tokenizer("bytes")->hash()}});
  EXPECT_EQ(run_tokenizer(run.path())->spec(), "bytes");
  write_json(run / "train.json", {{"tokenizer", "bytes"}, {"tokenizer_hash", "0123"}});
  EXPECT_TRUE(contains(error_of([&] { run_tokenizer(run.path()); }), "not the tokenizer of the data"));
}

TEST(RunTokenizer, FilesAreKeptBesideTheWeights) {
  TemporaryFolder from, run;
  keep_tokenizer("bytes", run.path());
  keep_tokenizer(from / "gone.json", run.path());
  EXPECT_TRUE(list_files(run.path()).empty());
  write_file(from / "some.json", "{1}");
  keep_tokenizer(from / "some.json", run.path());
  EXPECT_EQ(read_file(run / "tokenizer.json"), "{1}");
  write_file(from / "vocab.json", "{2}");
  write_file(from / "merges.txt", "3");
  keep_tokenizer(from.path(), run.path());
  EXPECT_EQ(read_file(run / "vocab.json") + read_file(run / "merges.txt"), "{2}3");
}

}  // namespace
}  // namespace longhaul
