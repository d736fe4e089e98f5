// A run's event files: what TensorBoard shows is what log.jsonl says, also after a kill.
#include <gtest/gtest.h>

#include "base/files.h"
#include "io/event_reader.h"
#include "runs.h"

namespace longhaul {
namespace {

using Points = std::vector<std::pair<uint64_t, float>>;

class EventFilesTest : public testing::Test {
 protected:
  EventFilesTest() : run_(scratch_ / "run"), settings_(small_settings(make_data(scratch_), 6)) {
    settings_.tensorboard = true;
  }
  // The points of log.jsonl under a field of lines of one kind.
  Points logged(const std::string& kind, const std::string& field) const {
    Points points;
    for (const std::string& line : log_lines(run_)) {
      const Json object = parse_json(line, "log.jsonl");
      if (object["kind"] == kind) points.emplace_back(object["step"].get<uint64_t>(), object[field].get<float>());
    }
    return points;
  }
  void expect_shows_the_log() const {
    auto shown = shown_by_tensorboard(run_);
    EXPECT_EQ(shown["train/loss"], logged("step", "loss"));
    EXPECT_EQ(shown["train/learning_rate"], logged("step", "lr"));
    EXPECT_EQ(shown["train/gradient_norm"], logged("step", "norm"));
    EXPECT_EQ(shown["train/tokens_per_second"].size(), 6u);
    EXPECT_EQ(shown["val/loss"], logged("val", "val_loss"));
    EXPECT_EQ(shown["val/perplexity"], logged("val", "val_perplexity"));
    EXPECT_EQ(shown["perplexity/32"], shown["val/perplexity"]);  // the training length
    for (const char* tag : {"perplexity/64", "perplexity/128"}) EXPECT_EQ(shown[tag].size(), 2u) << tag;
  }

  TemporaryFolder scratch_;
  std::string run_;
  TrainSettings settings_;
};

TEST_F(EventFilesTest, ShowTheLogOnceAlsoAfterAKill) {
  struct Killed {};
  auto killed = [](int64_t step) { return step == 5 ? throw Killed() : std::string(); };
  EXPECT_THROW(Trainer::start(settings_, run_, quiet_context())->run(killed), Killed);
  EXPECT_EQ(shown_by_tensorboard(run_)["train/loss"].size(), 5u);  // the last checkpoint is that of step 3
  Trainer::resume(run_, {}, quiet_context())->run(never_stop());
  EXPECT_EQ(event_files(run_).size(), 2u);
  EXPECT_EQ(logged("step", "loss").size(), 6u);
  expect_shows_the_log();
  Trainer::resume(run_, {}, quiet_context())->run(never_stop());  // nothing is left to do
  EXPECT_EQ(event_files(run_).size(), 2u);
}

TEST_F(EventFilesTest, AreThereWhenAskedForAndMayBeginLater) {
  settings_.tensorboard = false;
  Trainer::start(settings_, run_, quiet_context())->run(stop_after(3));
  EXPECT_TRUE(event_files(run_).empty());
  Trainer::resume(run_, {.tensorboard = true}, quiet_context())->run(stop_after(5));
  Trainer::resume(run_, {}, quiet_context())->run(never_stop());  // the run remembers
  EXPECT_EQ(event_files(run_).size(), 2u);
  const Points shown = shown_by_tensorboard(run_)["train/loss"], all = logged("step", "loss");
  EXPECT_EQ(shown, Points(all.begin() + 3, all.end()));
}

}  // namespace
}  // namespace longhaul
