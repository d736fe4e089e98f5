// `longhaul train` as a user meets it: plans, files of flags, contradictions. Each case is a process of the program.
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/strings.h"
#include "runs.h"

namespace longhaul {
namespace {

class CommandTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = new TemporaryFolder;
    data_ = make_data(*scratch_);
  }
  static void TearDownTestSuite() { delete scratch_; }

  struct Result {
    bool ended_with_code = false;
    std::string said;  // on stderr
  };
  Result run(const std::string& arguments, int code) const {
    std::string errors = *scratch_ / "stderr";
    Process process(split(arguments, ' '), errors);
    bool ended = process.wait(300);
    return {ended && process.exited_with(code), bytes_of(errors)};
  }
  std::string small_run(const std::string& out) const {
    return str("train --arch gpt:layers=1,width=16,heads=2 --pos rope --data ", data_, " --out ", out,
               " --seq-len 32 --batch 2 --total-batch-tokens 64 --steps 4 --warmup 1 --val-every 0 --threads 1");
  }

  static TemporaryFolder* scratch_;
  static std::string data_;
};
TemporaryFolder* CommandTest::scratch_ = nullptr;
std::string CommandTest::data_;

TEST_F(CommandTest, DryRunMakesNothing) {
  Result result = run(small_run(*scratch_ / "planned") + " --dry-run", 0);
  EXPECT_TRUE(result.ended_with_code) << result.said;
  EXPECT_FALSE(exists(*scratch_ / "planned"));
}

TEST_F(CommandTest, FlagsComeFromAFileToo) {
  std::string config = *scratch_ / "run.toml", folder = *scratch_ / "from_file";
  write_file(config,
             str("[train]\narch = \"gpt:layers=1,width=16,heads=2\"\npos = \"alibi\"\ndata = \"", data_, "\"\nout = \"",
                 folder, "\"\nseq-len = \"32\"\nbatch = 2\ntotal-batch-tokens = \"64\"\n",
                 "steps = 3\nwarmup = 1\nval-every = 3\nval-tokens = \"1k\"\neval-lengths = [\"64\", \"128\"]\n",
                 "recompute = true\nkeep = 1\nthreads = 1\n"));
  Result result = run("train --config " + config, 0);
  ASSERT_TRUE(result.ended_with_code) << result.said;
  Json settings = read_json(path_join(folder, "train.json"));
  EXPECT_EQ(settings["pos"], "alibi");
  EXPECT_EQ(settings["eval_lengths"], Json({64, 128}));
  EXPECT_EQ(settings["recompute"], true);
  EXPECT_EQ(settings["val_tokens"], 1024);
  EXPECT_EQ(load_model(folder)->info().position, "alibi");
  // The same file with --resume agrees with the run and has nothing left to do.
  result = run("train --config " + config + " --resume " + folder, 0);
  EXPECT_TRUE(result.ended_with_code) << result.said;
}

TEST_F(CommandTest, ResumeNamesWhatContradictsTheRun) {
  std::string folder = *scratch_ / "settled";
  ASSERT_TRUE(run(small_run(folder), 0).ended_with_code);
  Result result = run("train --resume " + folder + " --lr 0.5 --pos cable --batch 2", 2);
  EXPECT_TRUE(result.ended_with_code) << result.said;
  EXPECT_NE(result.said.find("--lr"), std::string::npos) << result.said;
  EXPECT_NE(result.said.find("--pos"), std::string::npos) << result.said;
  EXPECT_EQ(result.said.find("--batch"), std::string::npos) << result.said;
  EXPECT_EQ(split(result.said, '\n').size(), 2u) << result.said;  // one line and its end
  result = run(small_run(folder), 2);
  EXPECT_TRUE(result.ended_with_code) << result.said;
  EXPECT_NE(result.said.find("--resume"), std::string::npos) << result.said;
  result = run("train --resume " + folder + " --steps 6 --threads 1", 0);
  EXPECT_TRUE(result.ended_with_code) << result.said;
  EXPECT_EQ(RunFolder::open(folder).checkpoints().back(), 6);
}

TEST_F(CommandTest, MistakesAreOneLine) {
  for (const std::string& arguments :
       {std::string("train --out x"), "train --data " + data_, "train --resume " + (*scratch_ / "nowhere"),
        small_run(*scratch_ / "x") + " --epochs 2", small_run(*scratch_ / "x") + " --min-lr -1"}) {
    Result result = run(arguments, 2);
    EXPECT_TRUE(result.ended_with_code) << arguments << ": " << result.said;
    EXPECT_EQ(split(result.said, '\n').size(), 2u) << result.said;
  }
}

}  // namespace
}  // namespace longhaul
