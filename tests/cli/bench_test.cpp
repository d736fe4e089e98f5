// `longhaul bench encodings` as a program.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>

#include "base/json.h"
#include "base/strings.h"

namespace longhaul {
namespace {

struct Result {
  int code;
  std::string text;
};

Result run(const std::string& arguments) {
  std::string text, command = LH_PROGRAM;
  FILE* pipe = popen((command += " bench encodings --threads 1 --repeats 1 " + arguments + " 2>&1").c_str(), "r");
  for (int byte; (byte = std::fgetc(pipe)) != EOF;) text += static_cast<char>(byte);
  return {WEXITSTATUS(pclose(pipe)), text};
}

std::vector<Json> rows_of(const std::string& arguments) {
  Result result = run(arguments + " --json");
  EXPECT_EQ(result.code, 0) << result.text;
  std::vector<Json> rows;
  for (const std::string& line : split(result.text, '\n')) {
    Json row = line.starts_with("{") ? parse_json(line, "row") : Json::object();  // messages are there too
    if (row.value("bench", "") == "encodings") rows.push_back(row);               // the machine's limit is measured too
  }
  return rows;
}

TEST(BenchEncodings, HoldsTrainingAgainstNopeAndTheCacheAgainstRecomputation) {
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

TEST(BenchEncodings, MeasuresAPart) {
  std::vector<Json> rows = rows_of("--pos nope --part train --lengths 8,16");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["length"], 8);
  EXPECT_EQ(rows[1]["length"], 16);
}

TEST(BenchEncodings, RefusesWhatCannotBeBeforeMeasuring) {
  for (const char* arguments : {"--pos kable", "--pos nope --part generate --generate 8", "--part sing"}) {
    Result result = run(arguments);
    EXPECT_NE(result.code, 0);
    EXPECT_LT(result.code, 128);
    EXPECT_EQ(result.text.find("GFLOP"), std::string::npos) << result.text;
  }
  EXPECT_NE(run("--pos kable").text.find("kable"), std::string::npos);
}

}  // namespace
}  // namespace longhaul
