// A training process that is interrupted or killed from outside and goes on bit for bit. LH_SOAK_KILLS=50 for the soak.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "base/rng.h"
#include "runs.h"

namespace longhaul {
namespace {

class KillTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = new TemporaryFolder;
    data_ = make_data(*scratch_);
  }
  static void TearDownTestSuite() { delete scratch_; }

  std::vector<std::string> start_arguments(const std::string& run, int64_t steps) const {
    return {"train",
            "--arch",
            "gpt:layers=2,width=32,heads=2",
            "--pos",
            "cable",
            "--data",
            data_,
            "--out",
            run,
            "--seq-len",
            "32",
            "--batch",
            "4",
            "--total-batch-tokens",
            "256",
            "--steps",
            std::to_string(steps),
            "--warmup",
            "10",
            "--lr",
            "1e-2",
            "--val-every",
            "20",
            "--val-tokens",
            "1k",
            "--eval-lengths",
            "32,64",
            "--save-every",
            "5",
            "--keep",
            "2",
            "--threads",
            "1",
            "--log-every",
            "1000000"};
  }
  // Starts the run, or goes on with it when it is there.
  std::vector<std::string> arguments(const std::string& run, int64_t steps) const {
    if (!exists(path_join(run, "train.json"))) return start_arguments(run, steps);
    return {"train", "--resume", run, "--threads", "1"};
  }
  std::string finish(const std::string& run, int64_t steps) const {
    std::string errors = *scratch_ / "stderr";
    Process process(arguments(run, steps), errors);
    EXPECT_TRUE(process.wait(600) && process.exited_with(0)) << bytes_of(errors);
    return run;
  }
  static int64_t logged_bytes(const std::string& run) {
    std::string log = path_join(run, "log.jsonl");
    return exists(log) ? file_size(log) : 0;
  }

  static TemporaryFolder* scratch_;
  static std::string data_;
};
TemporaryFolder* KillTest::scratch_ = nullptr;
std::string KillTest::data_;

TEST_F(KillTest, WarningsFinishTheStepAndSave) {
  constexpr int64_t kSteps = 200;
  std::string whole = finish(*scratch_ / "signals_whole", kSteps), errors = *scratch_ / "stderr";
  for (int number : {SIGINT, SIGTERM, SIGUSR1, SIGHUP}) {
    std::string run = *scratch_ / str("signal_", number);
    const auto before = std::signal(SIGHUP, SIG_DFL);  // under nohup it is ignored, and the run would go on
    Process process(start_arguments(run, kSteps), errors);
    std::signal(SIGHUP, before);
    while (logged_bytes(run) < 2000 && !process.wait(0)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    process.signal(number);
    ASSERT_TRUE(process.wait(60));
    EXPECT_TRUE(process.exited_with(0)) << process.status();
    std::string said = bytes_of(errors);
    EXPECT_NE(said.find("train --resume " + run), std::string::npos) << said;
    EXPECT_LT(RunFolder::open(run).checkpoints().back(), kSteps);
    expect_same_run(whole, finish(run, kSteps), kSteps);
  }
}

TEST_F(KillTest, KillAtAnyMomentLosesNothing) {
  const char* soak = std::getenv("LH_SOAK_KILLS");
  const int wanted = soak ? std::atoi(soak) : 4;
  constexpr int64_t kSteps = 300;
  std::string whole = finish(*scratch_ / "kills_whole", kSteps), errors = *scratch_ / "stderr";
  Rng rng(static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()), stream_of("kills"));
  int kills = 0, runs = 0;
  while (kills < wanted) {
    std::string run = *scratch_ / str("killed_", runs++);
    for (bool finished = false; !finished && kills < wanted;) {
      // Half of the moments are counted from the first sign of training, so that they do not all fall into the start-up.
      Process process(arguments(run, kSteps), errors);
      int64_t before = logged_bytes(run);
      if (rng.below(2) == 1) {
        while (logged_bytes(run) <= before && !process.wait(0))
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      finished = process.wait(1.5 * rng.uniform());
      if (finished) {
        EXPECT_TRUE(process.exited_with(0)) << bytes_of(errors);
      } else {
        process.signal(SIGKILL);
        process.wait(60);
        ++kills;
      }
    }
    expect_same_run(whole, finish(run, kSteps), kSteps);
    remove_all(run);
  }
  std::printf("%d kills in %d runs\n", kills, runs);
}

}  // namespace
}  // namespace longhaul
