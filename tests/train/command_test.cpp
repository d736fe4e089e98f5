// `longhaul train` as a user meets it: plans, files of flags, contradictions. Each case is a process of the program.
#include "program_test.h"
#include "runs.h"

namespace longhaul {
namespace {

class TrainCommand : public ProgramTest {
 protected:
  void SetUp() override { data_ = make_data(folder_); }
  std::string small_run(const std::string& out) const {
    return str("train --arch gpt:layers=1,width=16,heads=2 --pos rope --data ", data_, " --out ", out,
               " --seq-len 32 --batch 2 --total-batch-tokens 64 --steps 4 --warmup 1 --val-every 0 --threads 1");
  }
  std::string data_;
};

TEST_F(TrainCommand, DryRunMakesNothing) {
  EXPECT_EQ(run(small_run("planned") + " --dry-run"), 0) << err_;
  EXPECT_FALSE(exists(folder_ / "planned"));
}

TEST_F(TrainCommand, FlagsComeFromAFileToo) {
  write_file(folder_ / "run.toml",
             str("[train]\narch = \"gpt:layers=1,width=16,heads=2\"\npos = \"alibi\"\ndata = \"", data_, "\"\n",
                 "out = \"run\"\nseq-len = \"32\"\nbatch = 2\ntotal-batch-tokens = \"64\"\n",
                 "steps = 3\nwarmup = 1\nval-every = 3\nval-tokens = \"1k\"\neval-lengths = [\"64\", \"128\"]\n",
                 "recompute = true\nkeep = 1\nthreads = 1\ntensorboard = true\n"));
  ASSERT_EQ(run("train --config run.toml"), 0) << err_;
  Json settings = read_json(folder_ / "run/train.json");
  EXPECT_EQ(settings["pos"], "alibi");
  EXPECT_EQ(settings["eval_lengths"], Json({64, 128}));
  EXPECT_EQ(settings["recompute"], true);
  EXPECT_EQ(settings["tensorboard"], true);
  EXPECT_EQ(settings["val_tokens"], 1024);
  EXPECT_EQ(load_model(folder_ / "run")->info().position, "alibi");
  // The same file with --resume agrees with the run and has nothing left to do.
  EXPECT_EQ(run("train --config run.toml --resume run"), 0) << err_;
}

TEST_F(TrainCommand, ResumeNamesWhatContradictsTheRun) {
  ASSERT_EQ(run(small_run("settled")), 0) << err_;
  expect_refusal("train --resume settled --lr 0.5 --pos cable --batch 2", "--lr");
  EXPECT_TRUE(contains(err_, "--pos")) << err_;
  EXPECT_FALSE(contains(err_, "--batch")) << err_;
  expect_refusal(small_run("settled"), "--resume");
  EXPECT_EQ(run("train --resume settled --steps 6 --threads 1 --tensorboard"), 0) << err_;
  EXPECT_EQ(RunFolder::open(folder_ / "settled").checkpoints().back(), 6);
  EXPECT_EQ(read_json(folder_ / "settled/train.json")["tensorboard"], true);
}

TEST_F(TrainCommand, MistakesAreOneLine) {
  expect_refusal("train --out x", "--data");
  expect_refusal("train --data " + data_, "--out");
  expect_refusal("train --resume nowhere", "nowhere");
  expect_refusal(small_run("x") + " --epochs 2", "--epochs");
  expect_refusal(small_run("x") + " --min-lr -1", "--min-lr");
  const std::string no_steps = str("train --data ", data_, " --out x");
  expect_refusal(no_steps + " --steps 0", "--steps: wanted at least 1, got 0");
  expect_refusal(no_steps + " --epochs -4", "--epochs: wanted at least 1, got -4");
  expect_refusal(no_steps + " --seq-len 4096m --batch 4294967296", "wanted at least 1 and less than 2^31");
  expect_refusal(no_steps + " --steps 1 --warmup 0 --eval-lengths 1000000007,1000000009,998244353", "--eval-lengths");
}

}  // namespace
}  // namespace longhaul
