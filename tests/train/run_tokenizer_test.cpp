#include "train/run_tokenizer.h"

#include <gtest/gtest.h>

#include "../support.h"
#include "base/json.h"
#include "text/byte_alphabet.h"

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

// Everything that decides a tokenizer's hash goes along, by whichever path it was named.
TEST(RunTokenizer, WhatIsKeptIsTheSameTokenizer) {
  TemporaryFolder from;
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) vocab[spelling_of(static_cast<unsigned char>(byte))] = byte;
  Json with_pad = vocab;
  with_pad["<pad>"] = 257;
  write_json(from / "vocab.json", with_pad);
  write_json(from / "special_tokens_map.json", {{"pad_token", "<pad>"}});
  write_file(from / "merges.txt", "#version: 0.2\n");
  write_json(from / "added_tokens.json", {{"<end>", 256}});
  write_json(from / "tokenizer_config.json", {{"eos_token", "<end>"}});
  auto expect_same = [&](const std::string& spec) {
    TemporaryFolder run;
    const std::string hash = make_tokenizer(spec)->hash();
    keep_tokenizer(spec, run.path());
    write_json(run / "train.json", {{"tokenizer", spec}, {"tokenizer_hash", hash}});
    EXPECT_EQ(error_of([&] { EXPECT_EQ(run_tokenizer(run.path())->end_of_text(), 256); }), "no error") << spec;
    check_run_tokenizer(run.path(), "data", hash);
    EXPECT_TRUE(
        contains(error_of([&] { check_run_tokenizer(run.path(), "data", "0123"); }), "those of data are of 0123"));
  };
  expect_same(from.path());
  expect_same(from / "vocab.json");
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", true}};
  write_json(from / "other.json", {{"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}}},
                                   {"added_tokens", {{{"id", 256}, {"content", "<end>"}}}},
                                   {"pre_tokenizer", byte_level},
                                   {"decoder", byte_level}});
  expect_same(from / "other.json");
  write_file(from / "tokenizer.json", read_file(from / "other.json"));
  expect_same(from.path());
  expect_same(from / "vocab.json");
}

}  // namespace
}  // namespace longhaul
