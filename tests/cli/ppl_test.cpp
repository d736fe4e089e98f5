// `longhaul ppl` as a user meets it: what it refuses to measure.
#include <set>

#include "base/json.h"
#include "models/models.h"
#include "program_test.h"
#include "text/tokenizer.h"

namespace longhaul {
namespace {

class PerplexityCommand : public ProgramTest {
 protected:
  // A packed text, and a model that nobody has trained.
  void SetUp() override {
    std::string text;
    for (int line = 0; line < 60; ++line) text += str("line ", line * line % 17, "\n");
    write_file(folder_ / "text.txt", text);
    ASSERT_EQ(run("data pack --tokenizer bytes --val-every 1 --out data text.txt"), 0) << err_;
    ModelOptions options;
    options.position = "rope", options.vocab = 320, options.trained_length = 32;
    save_model(*create_model("gpt:layers=1,width=8,heads=1", options), folder_ / "model");
  }
  void make_other(const std::string& position, int64_t vocab) {
    ModelOptions options;
    options.position = position, options.vocab = vocab, options.trained_length = 32;
    save_model(*create_model("gpt:layers=1,width=8,heads=1", options), folder_ / "other");
  }
};

TEST_F(PerplexityCommand, IsOfTheTokenizerThatTheModelKnows) {
  const std::string command = "ppl --threads 1 --model model --data data --lengths 16";
  write_json(folder_ / "model/train.json", {{"tokenizer", "other.json"}, {"tokenizer_hash", "0123"}});
  expect_refusal(command, "model: was trained on ids of tokenizer 0123, those of data are of ");
  write_json(folder_ / "model/train.json",
             {{"tokenizer", "bytes"}, {"tokenizer_hash", make_tokenizer("bytes")->hash()}});
  expect_refusal(command + " --tokens 0", "--tokens: wanted 1 to 281,474,976,710,656, got 0");
  EXPECT_EQ(run(command + " --tokens 64 --dry-run"), 0) << err_;
}

TEST_F(PerplexityCommand, EveryMethodIsARow) {
  const std::string command = "ppl --threads 1 --model model --data data --lengths 16,128 --protocol last-k=16";
  ASSERT_EQ(run(command + " --method none --method pi:factor=4 --method 'sink + log-n' --json"), 0) << err_;
  const Json all = parse_json(out_, "stdout");
  std::set<std::string> methods;
  for (const Json& row : all["boards"][0]["models"]) methods.insert(row["config"]["method"].get<std::string>());
  EXPECT_EQ(methods, (std::set<std::string>{"none", "pi:factor=4", "log-n+sink"})) << out_;
  expect_refusal(command + " --method sink --method 'sink'", "--method: 'sink' is named twice");
}

// What one of the models cannot do is found before any of them has run, and goes by its name.
TEST_F(PerplexityCommand, EveryModelIsAskedForEveryMethodFirst) {
  make_other("learned", 320);
  const std::string command = "ppl --threads 1 --model model,other --data data --lengths 16 --method none";
  expect_refusal(command + " --method sink",
                 "longhaul: other: --method: sink needs rotary positions, the model has none");
  expect_refusal("ppl --threads 1 --model model --data data --lengths 16 --method none --method yarn:facter=4,factor=2",
                 "longhaul: model: --method: unknown key 'yarn.facter' (did you mean 'factor'?)");
  expect_refusal(command + " --dry-run --method sink", "longhaul: other: ");
  make_other("rope", 200);
  expect_refusal(command, "longhaul: other: wanted a vocabulary of at least 257 (the data's), found 200");
  for (const char* name : {"model/eval", "other/eval"}) EXPECT_FALSE(exists(folder_ / name)) << name;
  make_other("learned", 320);
  EXPECT_EQ(run(command + " --method log-n"), 0) << err_;
}

// The data holds an id that its manifest denies, so that the second model fails while it runs.
TEST_F(PerplexityCommand, WhatWasMeasuredBeforeAFailureIsShown) {
  Json manifest = read_json(folder_ / "data/manifest.json");
  manifest["vocab_size_without_added"] = 100;
  write_json(folder_ / "data/manifest.json", manifest);
  make_other("rope", 105);
  const std::string command = "ppl --threads 1 --data data --lengths 16 --model ";
  EXPECT_EQ(run(command + "model,other --json"), 2) << err_;
  EXPECT_TRUE(contains(err_, "tokens must be in [0, 105)")) << err_;
  const Json models = parse_json(out_, "stdout")["boards"][0]["models"];
  EXPECT_EQ(models[0]["config"]["model_args"], "model");
  EXPECT_TRUE(models[0]["results"].contains("perplexity_block_16")) << out_;
  EXPECT_EQ(run(command + "model,other"), 2) << err_;
  EXPECT_TRUE(contains(out_, "model ")) << out_;
  EXPECT_EQ(run(command + "other"), 2) << err_;
  EXPECT_EQ(out_, "");
}

}  // namespace
}  // namespace longhaul
