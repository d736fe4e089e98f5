// The perplexity task on a small packed data set: requests, bytes, position buckets, scores.
#include <gtest/gtest.h>

#include <cmath>

#include "base/files.h"
#include "data/pack.h"
#include "eval/task.h"
#include "support.h"

namespace longhaul {
namespace {

class PerplexityTask : public ::testing::Test {
 protected:
  void SetUp() override {
    make_folders(folder_ / "text");
    write_file(folder_ / "text/a.txt", "abcdefgh");
    write_file(folder_ / "text/b.txt", "ijklmnop");
    PackOptions options;
    options.inputs = {folder_ / "text"};
    options.output = folder_ / "data";
    options.val_every = 0;
    pack(options);
    data_ = std::make_unique<Dataset>(Dataset::open(options.output));  // [256] abcdefgh [256] ijklmnop: 18 tokens
  }

  std::unique_ptr<Task> task(const std::string& spec, const std::vector<int64_t>& lengths, int64_t tokens = 0) {
    return make_task(spec, {data_.get(), "train", lengths, tokens});
  }

  TemporaryFolder folder_;
  std::unique_ptr<Dataset> data_;
};

TEST_F(PerplexityTask, RequestsHoldTheWindowAndCountItsTextBytes) {
  std::unique_ptr<Task> made = task("perplexity", {4, 8});
  EXPECT_EQ(made->identity().at("spec"), "perplexity:protocol=block");
  EXPECT_EQ(made->about().at("targets"), 16);
  Sample sample = made->sample(1, 8);  // tokens 8 .. 16: h, end of text, i ... o; targets: end of text, i ... o
  const auto& asked = std::get<Loglikelihood>(sample.request);
  EXPECT_EQ(asked.tokens, (std::vector<int64_t>{'h', 256, 'i', 'j', 'k', 'l', 'm', 'n', 'o'}));
  EXPECT_EQ(asked.score_from, 0);
  EXPECT_EQ(sample.reference.at("bytes"), 7);
  EXPECT_EQ(sample.ledger.prompt, 8);
}

TEST_F(PerplexityTask, OnlyScoredTargetsCountBytes) {
  Sample sample =
      task("perplexity:protocol=stride,stride=2", {4, 8})->sample(3, 4);  // tokens 6 .. 10, targets 9 (end) and 10 (i)
  EXPECT_EQ(std::get<Loglikelihood>(sample.request).score_from, 2);
  EXPECT_EQ(sample.reference.at("bytes"), 1);
}

TEST_F(PerplexityTask, RepliesAreSummedByPosition) {
  std::unique_ptr<Task> made = task("perplexity", {4, 8});
  Answer answer{{-1, -2, -4, -8, -16, -32, -64, -128}};
  Json reply = made->stored_reply(made->sample(0, 8), answer);
  EXPECT_EQ(reply.at("nll"), 255);
  EXPECT_EQ(reply.at("tokens"), 8);
  EXPECT_EQ(reply.at("positions"), Json::parse("[[1,1,1],[2,2,1],[4,12,2],[8,240,4]]"));  // contexts 1, 2, 3-4, 5-8
  Json score = Tasks().find("perplexity").make.score({{"bytes", 7}}, reply);
  EXPECT_EQ(score.at("bytes"), 7);
  EXPECT_EQ(score.at("nll"), 255);
}

TEST_F(PerplexityTask, PositionsCountTheWholeContextUnderStride) {
  std::unique_ptr<Task> made = task("perplexity:protocol=last-k,last-k=2", {4, 8});
  Json reply = made->stored_reply(made->sample(0, 8), {{-1, -3}});  // contexts of 7 and 8
  EXPECT_EQ(reply.at("positions"), Json::parse("[[8,4,2]]"));
}

TEST_F(PerplexityTask, AnOverflownLossStaysVisible) {
  std::unique_ptr<Task> made = task("perplexity", {4});
  Json reply = made->stored_reply(made->sample(0, 4), {{-1, -INFINITY, -1, -1}});
  Json read = Json::parse(reply.dump());
  EXPECT_TRUE(read.at("nll").is_null());
}

TEST_F(PerplexityTask, TooManyTokensAreAnError) {
  std::string message = error_of([&] { task("perplexity", {4}, 100); });
  EXPECT_TRUE(contains(message, "wanted 100 targets, found 17")) << message;
}

}  // namespace
}  // namespace longhaul
