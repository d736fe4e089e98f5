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
};

TEST_F(PerplexityCommand, IsOfTheTokenizerThatTheModelKnows) {
  const std::string command = "ppl --threads 1 --model model --data data --lengths 16";
  write_json(folder_ / "model/train.json", {{"tokenizer", "other.json"}, {"tokenizer_hash", "0123"}});
  expect_refusal(command, "model: was trained on ids of tokenizer 0123, those of data are of ");
  write_json(folder_ / "model/train.json",
             {{"tokenizer", "bytes"}, {"tokenizer_hash", make_tokenizer("bytes")->hash()}});
  expect_refusal(command + " --tokens 0", "--tokens: wanted at least 1, got 0");
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

}  // namespace
}  // namespace longhaul
