// `longhaul bench` as a program: what `bench encodings` measures, and which flags are for whom.
#include "base/json.h"
#include "program_test.h"

namespace longhaul {
namespace {

class BenchEncodings : public ProgramTest {
 protected:
  int encodings(const std::string& arguments) { return run("bench encodings --threads 1 --repeats 1 " + arguments); }
  std::vector<Json> rows_of(const std::string& arguments) {
    EXPECT_EQ(encodings(arguments + " --json"), 0) << err_;
    std::vector<Json> rows;
    for (const std::string& line : split(out_, '\n')) {
      if (line.empty()) continue;
      const Json row = parse_json(line, "row");
      if (row["bench"] == "encodings") rows.push_back(row);  // the machine's limit is measured too
    }
    return rows;
  }
};

TEST_F(BenchEncodings, HoldsTrainingAgainstNopeAndTheCacheAgainstRecomputation) {
  std::vector<Json> rows = rows_of("--pos cable,dape:version=2 --lengths 16 --generate 12");
  const std::pair<const char*, const char*> wanted[] = {{"train", "nope"},           {"train", "cable"},
                                                        {"train", "dape:version=2"}, {"recompute", "cable"},
                                                        {"generate", "cable"},       {"recompute", "dape:version=2"}};
  ASSERT_EQ(rows.size(), std::size(wanted));  // dape's version 2 has no past that can be kept
  for (size_t n = 0; n < rows.size(); ++n) {
    SCOPED_TRACE(rows[n].dump());
    EXPECT_EQ(rows[n]["pass"], wanted[n].first);
    EXPECT_EQ(rows[n]["pos"], wanted[n].second);
    for (const char* key : {"peer", "version", "shape", "threads", "length", "batch", "tokens", "seconds_min",
                            "seconds_med", "tok_per_s", "peak_rss_mb"})
      EXPECT_TRUE(rows[n].contains(key)) << key;
    const bool trains = rows[n]["pass"] == "train";
    EXPECT_EQ(rows[n]["tokens"], trains ? 16 : 4 * (12 - 8));
    EXPECT_EQ(rows[n].contains("extra_mb"), trains);
  }
  EXPECT_TRUE(rows[1]["ratio_to"].contains("nope"));
  EXPECT_TRUE(rows[4]["ratio_to"].contains("recompute"));
}

TEST_F(BenchEncodings, MeasuresAPart) {
  std::vector<Json> rows = rows_of("--pos nope --part train --lengths 8,16");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["length"], 8);
  EXPECT_EQ(rows[1]["length"], 16);
}

TEST_F(BenchEncodings, RefusesWhatCannotBeBeforeMeasuring) {
  for (const char* arguments : {"--pos kable", "--pos nope --part generate --generate 8", "--part sing"}) {
    const int code = encodings(arguments);
    EXPECT_TRUE(code != 0 && code < 128) << code;
    EXPECT_FALSE(contains(out_, "GFLOP")) << out_;
  }
  encodings("--pos kable");
  EXPECT_TRUE(contains(err_, "kable")) << err_;
}

TEST_F(ProgramTest, ABenchRefusesTheFlagsThatItCannotHonour) {
  write_file(folder_ / "text.txt", "some text");
  expect_refusal("bench memory --dtype bf16 --dry-run", "bench memory takes no --dtype");
  expect_refusal("bench gemm memory --seed 3 --dry-run", "bench memory takes no --seed");
  expect_refusal("bench adamw --dtype f64 --dry-run", "bench adamw takes no --dtype");
  expect_refusal("bench tokenize --tokenizer bytes --text text.txt --seed 3 --dry-run",
                 "bench tokenize takes no --seed");
  expect_refusal("bench decode model --repeats 2 --dry-run", "bench decode takes no --repeats");
  // What it is held against is measured as ever, and its cells say what holds for them.
  ASSERT_EQ(run("bench norm --dtype bf16 --threads 1 --dry-run"), 0) << err_;
  int norms = 0, limits = 0;
  for (const std::string& line : split(out_, '\n')) {
    if (line.empty()) continue;
    const Json cell = parse_json(line, "cell");
    cell["bench"] == "norm" ? ++norms : ++limits;
    EXPECT_EQ(cell.value("dtype", ""), cell["bench"] == "norm" ? "bf16" : "") << line;
    EXPECT_EQ(cell["repeats"], 3) << line;
  }
  EXPECT_EQ(norms, 2);
  EXPECT_EQ(limits, 2);
}

}  // namespace
}  // namespace longhaul
