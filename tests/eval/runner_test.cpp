// The runner with a made-up task and model: resume, batches, refusals, scores from stored replies.
#include "eval/runner.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>

#include "base/files.h"
#include "journal/journal.h"
#include "support.h"

namespace longhaul {
namespace {

// Sample i at length T holds the tokens i, i + 1, ...; the answer is -(token) / 10 for each target.
class CountingTask : public Task {
 public:
  explicit CountingTask(int64_t samples) : samples_(samples) {}
  Json identity() const override {
    return {{"spec", "perplexity:protocol=block"}, {"data", "counting"}, {"split", "val"}};
  }
  Json about() const override { return {{"targets", 0}}; }
  int64_t samples(int64_t) const override { return samples_; }
  Sample sample(int64_t index, int64_t length) const override {
    Loglikelihood asked;
    for (int64_t i = 0; i <= length; ++i) asked.tokens.push_back(index + i);
    return {asked, {{"first", index}}, {{"bytes", length}}, {0, length, 0, 0}};
  }
  Json stored_reply(const Sample& sample, const Answer& answer) const override {
    EXPECT_EQ(std::get<Loglikelihood>(sample.request).tokens.size(), answer.log_prob.size() + 1);
    double nll = 0;
    for (double log_prob : answer.log_prob) nll -= log_prob;
    return {{"nll", nll}, {"tokens", answer.log_prob.size()}, {"positions", Json::array()}};
  }

 private:
  int64_t samples_;
};

struct Calls {
  int64_t loads = 0, samples = 0;
  std::vector<int64_t> batches;
};

class CountingModel : public Responder {
 public:
  explicit CountingModel(Calls& calls) : calls_(calls) { ++calls.loads; }
  Json about() const override {
    return {{"label", "counting"}, {"position", "none"}, {"trained_length", 4}, {"parameters", 0}};
  }
  std::string refusal(int64_t length) const override { return length > 16 ? "counts to 16 only" : ""; }
  int64_t batch(int64_t) const override { return 3; }
  Answers answer(const std::vector<Request>& requests) const override {
    Answers answers{{}, {{"skip_rate", 0.5}}};
    for (const Request& request : requests) {
      const auto& tokens = std::get<Loglikelihood>(request).tokens;
      Answer answer;
      for (size_t i = 1; i < tokens.size(); ++i) answer.log_prob.push_back(static_cast<double>(-tokens[i]) / 10);
      answers.each.push_back(answer);
    }
    calls_.samples += static_cast<int64_t>(requests.size());
    calls_.batches.push_back(static_cast<int64_t>(requests.size()));
    return answers;
  }

 private:
  Calls& calls_;
};

Subject subject(const std::string& journal, Calls& calls, const std::string& weights = "w") {
  Subject made;
  made.name = "model-" + weights;
  made.identity = {{"weights", weights}, {"config", "c"}};
  made.settings = {{"dtype", "f32"}};
  made.journal = journal;
  made.load = [&calls] { return std::make_unique<CountingModel>(calls); };
  return made;
}

std::map<std::string, int> keys_on_disk(const std::string& folder) {
  std::map<std::string, int> times;
  for (const std::string& path : list_files(folder)) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) ++times[parse_json(line, path).at("key")];
  }
  return times;
}

std::vector<Json> samples_in(const std::string& folder) {
  std::vector<Json> samples;
  for (const Json& record : read_scored(folder))
    if (record.at("kind") == "sample") samples.push_back(record);
  return samples;
}

TEST(Runner, AnswersEveryCellOnceAndScoresFromReplies) {
  TemporaryFolder place;
  Calls calls;
  RunnerOutcome outcome = run_cells({subject(place.path(), calls)}, CountingTask(7), {2, 4}, {});
  EXPECT_EQ(outcome.wanted, 14);
  EXPECT_EQ(outcome.answered, 14);
  EXPECT_EQ(calls.batches, (std::vector<int64_t>{3, 3, 1, 3, 3, 1}));
  std::vector<Json> samples = samples_in(place.path());
  ASSERT_EQ(samples.size(), 14u);
  for (const Json& sample : samples) {
    double first = sample.at("sample").at("first"), length = sample.at("ledger").at("prompt");
    double wanted = (length * first + length * (length + 1) / 2) / 10;  // sum of first + 1 .. first + length, over ten
    EXPECT_NEAR(sample.at("score").at("nll").get<double>(), wanted, 1e-12);
    EXPECT_EQ(sample.at("score").at("bytes"), sample.at("ledger").at("prompt"));
    EXPECT_EQ(sample.at("cost").at("skip_rate"), 0.5);
    EXPECT_FALSE(Journal::read(place.path()).back().contains("score"));
  }
}

TEST(Runner, WhatAJournalHoldsIsNotAskedAgain) {
  TemporaryFolder place;
  Calls first, second, third;
  run_cells({subject(place.path(), first)}, CountingTask(7), {2, 4}, {});
  RunnerOutcome again = run_cells({subject(place.path(), second)}, CountingTask(7), {2, 4}, {});
  EXPECT_EQ(again.reused, 14);
  EXPECT_EQ(again.answered, 0);
  EXPECT_EQ(second.loads, 0);
  RunnerOutcome more =
      run_cells({subject(place.path(), third)}, CountingTask(9), {2, 8}, {});  // two more, and a new length
  EXPECT_EQ(more.reused, 7);
  EXPECT_EQ(more.answered, 2 + 9);
  for (const auto& [key, times] : keys_on_disk(place.path())) EXPECT_EQ(times, 1) << key;
}

TEST(Runner, AStopBetweenBatchesLosesNothing) {
  TemporaryFolder place;
  Calls first, second;
  int64_t asked = 0;
  RunnerOptions options;
  options.stop = [&] { return ++asked > 2; };  // two batches
  RunnerOutcome outcome = run_cells({subject(place.path(), first)}, CountingTask(7), {2, 4}, options);
  EXPECT_TRUE(outcome.stopped);
  EXPECT_EQ(outcome.answered, 6);
  outcome = run_cells({subject(place.path(), second)}, CountingTask(7), {2, 4}, {});
  EXPECT_EQ(outcome.reused, 6);
  EXPECT_EQ(outcome.answered, 8);
  EXPECT_EQ(second.samples, 8);
  EXPECT_EQ(samples_in(place.path()).size(), 14u);
}

// A process that dies between two lines of a batch: the batch is asked whole again, only its missing lines are added.
TEST(Runner, AKilledRunIsCompletedWithoutAKeyTwice) {
  TemporaryFolder place;
  for (int64_t lines : {2, 3, 6, 9, 14}) {
    remove_all(place.path());
    pid_t child = fork();
    if (child == 0) {
      Calls calls;
      run_cells({subject(place.path(), calls)}, CountingTask(7), {2, 4}, {});
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    std::string path = list_files(place.path()).front(),
                text = read_file(path);  // cut as kill -9 would: `lines` and a half
    size_t end = 0;
    for (int64_t i = 0; i < lines; ++i) end = text.find('\n', end) + 1;
    std::ofstream(path, std::ios::trunc) << text.substr(0, end + 20);
    Calls calls;
    run_cells({subject(place.path(), calls)}, CountingTask(7), {2, 4}, {});
    for (int64_t batch : calls.batches) EXPECT_TRUE(batch == 3 || batch == 1) << batch;
    std::set<std::string> keys;
    for (const Json& sample : samples_in(place.path())) EXPECT_TRUE(keys.insert(sample.at("key")).second);
    EXPECT_EQ(keys.size(), 14u) << lines;
  }
}

TEST(Runner, SubjectsMayShareAJournal) {
  TemporaryFolder place;
  Calls a, b;
  RunnerOutcome outcome =
      run_cells({subject(place.path(), a, "a"), subject(place.path(), b, "b")}, CountingTask(4), {2}, {});
  EXPECT_EQ(outcome.answered, 8);
  EXPECT_EQ(outcome.cells.size(), 2u);
  for (const auto& [key, times] : keys_on_disk(place.path())) EXPECT_EQ(times, 1) << key;
}

TEST(Runner, AFailureKeepsWhatWasAnswered) {
  TemporaryFolder place;
  Calls a, b, c;
  Subject broken = subject(place.path(), b, "b");
  broken.load = []() -> std::unique_ptr<Responder> { fail("b cannot be read"); };
  const std::vector<Subject> subjects{subject(place.path(), a, "a"), broken, subject(place.path(), c, "c")};
  const RunnerOutcome outcome = run_cells(subjects, CountingTask(4), {2}, {});
  ASSERT_TRUE(outcome.failure);
  EXPECT_EQ(error_of([&] { std::rethrow_exception(outcome.failure); }), "b cannot be read");
  EXPECT_EQ(outcome.answered, 4);
  EXPECT_EQ(outcome.cells.size(), 3u);
  EXPECT_EQ(samples_in(place.path()).size(), 4u);
  EXPECT_EQ(c.loads, 0);
  EXPECT_FALSE(run_cells({subjects[0]}, CountingTask(4), {2}, {}).failure);
}

TEST(Runner, TheSameWeightsTwiceInOneJournalAreAnError) {
  TemporaryFolder place;
  Calls calls;
  std::vector<Subject> twice{subject(place.path(), calls), subject(place.path(), calls)};
  EXPECT_TRUE(contains(error_of([&] { run_cells(twice, CountingTask(4), {2}, {}); }), "hold the same weights"));
  EXPECT_EQ(calls.loads, 0);
}

TEST(Runner, ARefusedLengthIsACellWithAReason) {
  TemporaryFolder place;
  Calls calls;
  RunnerOutcome outcome = run_cells({subject(place.path(), calls)}, CountingTask(4), {16, 32}, {});
  EXPECT_EQ(outcome.answered, 4);
  int64_t refused = 0;
  for (const Json& record : Journal::read(place.path()))
    if (record.at("kind") == "cell" && record.at("length") == 32) {
      EXPECT_EQ(record.at("reason"), "counts to 16 only");
      ++refused;
    }
  EXPECT_EQ(refused, 1);
}

}  // namespace
}  // namespace longhaul
