// `longhaul compare` end to end on a tiny corpus: trains, measures, reports, resumes; mistakes before any training.
#include "program_test.h"

namespace longhaul {
namespace {

class CompareCommand : public ProgramTest {
 protected:
  void SetUp() override {
    for (int i = 0; i < 40; ++i) {
      std::string text;
      for (int line = 0; line < 60; ++line) text += str("line ", line * i % 17, " of document ", i, "\n");
      write_file(folder_ / str("text", i, ".txt"), text);
    }
    ASSERT_EQ(run("data pack --tokenizer bytes --val-every 4 --out data text*.txt"), 0) << err_;
  }
};

const char* const kSizes =
    " --data data --lengths 32,64 --tokens 512 --threads 1 --seq-len 32 --steps 2 --batch 2 --total-batch-tokens 64 "
    "--val-tokens 64 --warmup 1";

TEST_F(CompareCommand, TrainsMeasuresReportsAndGoesOn) {
  const std::string command =
      "compare --arch gpt:layers=1,width=16,heads=2 --pos 'rope:layout=half,dim=4,dape:base=(cable)' --seeds 2 --out "
      "zoo";
  ASSERT_EQ(run(str(command, kSizes, " --tensorboard")), 0) << err_;
  for (const char* name : {"rope-dim-4-layout-half-seed1", "rope-dim-4-layout-half-seed2", "dape-base-cable-seed1",
                           "dape-base-cable-seed2"})
    for (const char* file : {"/model.safetensors", "/events.out.tfevents."}) {
      const std::vector<std::string> files = list_files(folder_ / str("zoo/", name));
      EXPECT_TRUE(std::any_of(files.begin(), files.end(), [&](const auto& path) { return contains(path, file); }))
          << name << file;
    }
  for (const char* name : {"report.html", "report.md", "results.csv", "results.json"})
    EXPECT_TRUE(exists(folder_ / str("zoo/", name))) << name;
  const std::string weights = read_file(folder_ / "zoo/dape-base-cable-seed2/model.safetensors"),
                    before = read_file(folder_ / "zoo/results.csv");
  ASSERT_EQ(run(str(command, kSizes, " --tensorboard")), 0) << err_;  // nothing is left to do
  EXPECT_EQ(read_file(folder_ / "zoo/dape-base-cable-seed2/model.safetensors"), weights);
  EXPECT_EQ(read_file(folder_ / "zoo/results.csv"), before);
  // Another model or number format is not what was trained: nothing is measured under a wrong name.
  const std::string other =
      str("compare --arch gpt:layers=2,width=16,heads=2 --pos 'dape:base=(cable)' --out zoo", kSizes);
  expect_refusal(other, "contradicted by --arch");
  expect_refusal(str(command, kSizes, " --dtype f64"), "contradicted by --dtype");
}

TEST_F(CompareCommand, BareShardsTakeATokenizer) {
  ASSERT_EQ(run("data export data --format npy --out shards"), 0) << err_;
  std::string sizes = kSizes;
  sizes.replace(sizes.find("--data data"), 11, "--data shards --tokenizer bytes");
  ASSERT_EQ(run(str("compare --arch gpt:layers=1,width=16,heads=2 --pos nope --out zoo", sizes)), 0) << err_;
  EXPECT_TRUE(exists(folder_ / "zoo/report.html"));
}

TEST_F(CompareCommand, SaysWhatIsWrongBeforeItTrains) {
  EXPECT_EQ(run(str("compare --pos rope,cabel --out zoo", kSizes)), 2);
  EXPECT_TRUE(contains(err_, "cabel") && contains(err_, "cable")) << err_;
  EXPECT_EQ(run(str("compare --pos rope,rope --out zoo", kSizes)), 2);
  EXPECT_TRUE(contains(err_, "named twice")) << err_;
  EXPECT_EQ(run(str("compare --pos rope --out zoo --no-such-flag 3", kSizes)), 2);
  EXPECT_TRUE(contains(err_, "no-such-flag")) << err_;
  const std::string command = "compare --arch gpt:layers=1,width=16,heads=2 --out zoo";
  expect_refusal(str(command, " --pos rope,fire:hiden=3", kSizes),
                 "fire: unknown key 'hiden' (did you mean 'hidden'?)");
  expect_refusal(str(command, " --pos rope --seed 9", kSizes), "--seed is not taken");
  expect_refusal(str(command, " --pos rope --seeds 99999999999999", kSizes), "--seeds: wanted 1 to 1000");
  std::string sizes = kSizes;
  sizes.replace(sizes.find("32,64"), 5, "32,64x");
  expect_refusal(str(command, " --pos rope", sizes), "--lengths: wanted a length");
  sizes.replace(sizes.find("32,64x"), 6, "32,16m");
  expect_refusal(str(command, " --pos rope", sizes), "the least common multiple of the lengths");
  EXPECT_FALSE(exists(folder_ / "zoo"));
}

}  // namespace
}  // namespace longhaul
