// `longhaul data` as a user meets it: the program, its output, its exit codes.
#include "data/data_test.h"
#include "data/shards.h"
#include "program_test.h"

namespace longhaul {
namespace {

class DataCommand : public ProgramTest {
 protected:
  int run(const std::string& arguments) { return ProgramTest::run("data " + arguments); }
  std::string at(const std::string& name) const { return folder_ / name; }
  void SetUp() override {
    put(at("tree/a.h"), std::string(3000, 'a'));
    put(at("tree/b.cpp"), std::string(2048, 'b'));
    put(at("tree/c.h"), std::string(2047, 'c'));
    put(at("tree/d.txt"), std::string(5000, 'd'));
    put(at("tree/old/e.h"), std::string(4000, 'e'));
    put(at("tree/new/f.h"), std::string(4000, 'f'));
    put(at("lines.jsonl"), "{\"body\":\"" + std::string(2100, 'x') + "\"}\n{\"body\":\"short\"}\n");
  }
};

TEST_F(DataCommand, PacksWithEveryFlagAndShowsTheResult) {
  const std::string arguments =
      "pack --tokenizer bytes --out data/code --field body --ext .h,.cpp --ext .jsonl --exclude old --exclude new/ "
      "tree lines.jsonl --min-bytes 2k --shard-tokens 1K --val-every 0 --threads 2";
  ASSERT_EQ(run(arguments), 0) << err_;
  Dataset dataset = Dataset::open(at("data/code"));
  dataset.verify();
  EXPECT_EQ(dataset.split("train").documents(), 3);  // a.h, b.cpp (2,048 bytes = 2k), the long line
  EXPECT_EQ(dataset.split("train").bytes(), 3000 + 2048 + 2100);
  EXPECT_EQ(dataset.split("train").shard_starts()[1], 1000);
  EXPECT_EQ(dataset.manifest()["skipped"]["excluded"], 2);
  EXPECT_NE(out_.find("7,151"), std::string::npos) << out_;  // tokens: 7,148 bytes and three ends of text
  EXPECT_NE(out_.find("2 excluded, 1 other extension, 2 too small"), std::string::npos) << out_;
  EXPECT_EQ(run("info data/code --verify"), 0) << err_;
  EXPECT_NE(out_.find("7,151"), std::string::npos) << out_;
  EXPECT_EQ(run("info data/code --json"), 0) << err_;
  EXPECT_EQ(parse_json(out_, "stdout"), dataset.manifest());
  EXPECT_EQ(run(arguments), 2);
  EXPECT_EQ(err_, "longhaul: data pack: data/code exists already; remove it or name another --out\n");
}

TEST_F(DataCommand, JsonIsTheManifest) {
  ASSERT_EQ(run("pack --out set tree --json"), 0) << err_;
  EXPECT_EQ(parse_json(out_, "stdout"), read_json(at("set/manifest.json")));
}

TEST_F(DataCommand, ExportsAndReadsBareShards) {
  ASSERT_EQ(run("pack --out set --val-every 0 tree"), 0) << err_;
  ASSERT_EQ(run("export set --format nanogpt --out bare"), 0) << err_;
  EXPECT_EQ(out_, "bare/train.bin\n");
  ASSERT_EQ(run("info bare --tokenizer bytes"), 0) << err_;
  EXPECT_TRUE(contains(out_, "bare: tokenizer bytes, vocabulary 257")) << out_;
  ASSERT_EQ(run("info bare --verify"), 0) << err_;
  EXPECT_TRUE(contains(out_, "bare: tokenizer not named, vocabulary 50,257")) << out_;
  EXPECT_EQ(run("export set --format npz --out other"), 2);
  EXPECT_EQ(err_, "longhaul: unknown token format 'npz' (did you mean 'npy'?)\n");
}

TEST_F(DataCommand, HostileFilesAreOneLineAndExitCode2) {
  put(at("cut.jsonl.gz"), std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10));
  EXPECT_EQ(run("pack --out set cut.jsonl.gz"), 2);
  EXPECT_TRUE(
      contains(err_, "longhaul: cut.jsonl.gz: byte 10: the gzip data ends in the middle; the file was cut short\n"));
  put(at("shards/x_train.npy"), "\x93NUMPY");
  EXPECT_EQ(run("info shards"), 2);
  EXPECT_EQ(err_, "longhaul: shards/x_train.npy: wanted an npy file, found other bytes\n");
  put(at("x.parquet"), "PAR1");
  EXPECT_EQ(run("pack --out set x.parquet"), 2);
  EXPECT_TRUE(contains(err_, "longhaul: x.parquet: this build reads no Parquet; `LH_PARQUET=1 make build`") ||
              contains(err_, "longhaul: x.parquet: cannot be read as Parquet: "))
      << err_;
}

TEST_F(DataCommand, DryRunListsAndWritesNothing) {
  ASSERT_EQ(run("pack --out set --min-bytes 3K --val-every 1 tree lines.jsonl --dry-run"), 0) << err_;
  EXPECT_EQ(out_,
            "val                3,000  tree/a.h\n"
            "val                5,000  tree/d.txt\n"
            "val                4,000  tree/new/f.h\n"
            "val                4,000  tree/old/e.h\n"
            "each               2,129  lines.jsonl\n"
            "would read 5 files, 17.7 KiB; left out: 0 excluded, 0 other extension, 2 too small, 0 reached twice\n");
  ASSERT_EQ(run("pack --out set --ext .txt tree --dry-run --json"), 0) << err_;
  Json plan = parse_json(out_, "stdout");
  EXPECT_EQ(plan["files"].size(), 1u);
  EXPECT_EQ(plan["files"][0]["path"], "tree/d.txt");
  EXPECT_EQ(plan["skipped"]["other_extension"], 5);
  EXPECT_FALSE(exists(at("set")));
}

TEST_F(DataCommand, MistakesAreOneLineAndExitCodeTwo) {
  for (const char* arguments :
       {"", "pack tree", "info absent", "pack --out set tree --min-bytes 2q", "pack --out set tree --val-every -1",
        "pack --out set lines.jsonl", "pack --out set tree --colour red", "info tree --dry-run"}) {
    EXPECT_EQ(run(arguments), 2) << arguments;
    EXPECT_EQ(out_, "") << arguments;
    EXPECT_EQ(err_.find("longhaul: "), err_.rfind("longhaul: ")) << arguments << ": " << err_;
    EXPECT_FALSE(exists(at("set"))) << arguments;
  }
}

}  // namespace
}  // namespace longhaul
