// `longhaul compare` end to end on a tiny corpus: trains, measures, reports, resumes; mistakes before any training.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "../support.h"
#include "base/files.h"

namespace longhaul {
namespace {

class CompareCommand : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 40; ++i) {
      std::string text;
      for (int line = 0; line < 60; ++line) text += str("line ", line * i % 17, " of document ", i, "\n");
      write_file(folder_ / str("text", i, ".txt"), text);
    }
    ASSERT_EQ(run("data pack --tokenizer bytes --val-every 4 --out data text*.txt"), 0) << err_;
  }
  int run(const std::string& arguments) {
    const std::string line =
        "cd '" + folder_.path() + "' && '" LH_PROGRAM "' " + arguments + " > .out 2> .err < /dev/null";
    const int status = std::system(line.c_str());
    out_ = read_file(folder_ / ".out");
    err_ = read_file(folder_ / ".err");
    return WEXITSTATUS(status);
  }
  TemporaryFolder folder_;
  std::string out_, err_;
};

const char* const kSizes =
    " --data data --lengths 32,64 --tokens 512 --threads 1 --seq-len 32 --steps 2 --batch 2 --total-batch-tokens 64 "
    "--val-tokens 64 --warmup 1";

TEST_F(CompareCommand, TrainsMeasuresReportsAndGoesOn) {
  const std::string command =
      "compare --arch gpt:layers=1,width=16,heads=2 --pos 'rope:layout=half,dim=4,dape:base=(cable)' --seeds 2 --out "
      "zoo";
  ASSERT_EQ(run(str(command, kSizes)), 0) << err_;
  for (const char* name : {"rope-dim-4-layout-half-seed1", "rope-dim-4-layout-half-seed2", "dape-base-cable-seed1",
                           "dape-base-cable-seed2"})
    EXPECT_TRUE(exists(folder_ / str("zoo/", name, "/model.safetensors"))) << name;
  for (const char* name : {"report.html", "report.md", "results.csv", "results.json"})
    EXPECT_TRUE(exists(folder_ / str("zoo/", name))) << name;
  const std::string weights = read_file(folder_ / "zoo/dape-base-cable-seed2/model.safetensors"),
                    before = read_file(folder_ / "zoo/results.csv");
  ASSERT_EQ(run(str(command, kSizes)), 0) << err_;  // nothing is left to do
  EXPECT_EQ(read_file(folder_ / "zoo/dape-base-cable-seed2/model.safetensors"), weights);
  EXPECT_EQ(read_file(folder_ / "zoo/results.csv"), before);
}

TEST_F(CompareCommand, SaysWhatIsWrongBeforeItTrains) {
  EXPECT_EQ(run(str("compare --pos rope,cabel --out zoo", kSizes)), 2);
  EXPECT_TRUE(contains(err_, "cabel") && contains(err_, "cable")) << err_;
  EXPECT_EQ(run(str("compare --pos rope,rope --out zoo", kSizes)), 2);
  EXPECT_TRUE(contains(err_, "named twice")) << err_;
  EXPECT_EQ(run(str("compare --pos rope --out zoo --no-such-flag 3", kSizes)), 2);
  EXPECT_TRUE(contains(err_, "no-such-flag")) << err_;
  EXPECT_FALSE(exists(folder_ / "zoo"));
}

}  // namespace
}  // namespace longhaul
