// Records to boards: which samples count, what is derived from them, by hand.
#include "report/results.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "report/finding.h"
#include "report/made_up.h"
#include "report/table.h"
#include "report/training_log.h"
#include "support.h"

namespace longhaul {
namespace {

Board board_of(const std::vector<MadeUpModel>& models) {
  Results results = collect_results(made_up_records(models));
  EXPECT_EQ(results.boards.size(), 1u);
  return results.boards.front();
}

TEST(Results, CellsHoldWhatTheirWindowsSay) {
  Board board = board_of(three_models());
  EXPECT_EQ(board.lengths, (std::vector<int64_t>{128, 256, 512}));
  EXPECT_EQ(board.protocol(), "block");
  ASSERT_EQ(board.rows.size(), 3u);
  EXPECT_EQ(board.rows[1].name, "tiny-alibi");
  const CellResult& cell = *board.rows[0].at(128);
  EXPECT_NEAR(cell.loss.mean, 1.56, 1e-12);
  EXPECT_NEAR(cell.loss.error, 0.06, 1e-12);  // half the distance of two windows
  EXPECT_NEAR(cell.perplexity().mean, std::exp(1.56), 1e-12);
  EXPECT_NEAR(cell.bits_per_byte.mean, 1.56 / 2 / std::log(2), 1e-12);  // two bytes a token
  EXPECT_NEAR(cell.positions[1].nll / cell.positions[1].tokens, (15 + 16.2) / 18, 1e-12);
  EXPECT_EQ(cell.tokens, 20);
  EXPECT_EQ(cell.seconds, 1);
  EXPECT_EQ(cell.skip_rate, 0.25);
  EXPECT_TRUE(cell.complete());
}

TEST(Results, PairedDifferencesUseTheSameWindows) {
  Board board = board_of({{"a", "rope", "1", "", {{1.0, 2.0, 3.0}}}, {"b", "cable", "1", "", {{0.9, 1.7, 2.8}}}});
  Estimate difference = paired_difference(*board.rows[1].at(128), *board.rows[0].at(128));  // -0.1, -0.3, -0.2
  EXPECT_NEAR(difference.mean, -0.2, 1e-12);
  EXPECT_NEAR(difference.error, 0.1 / std::sqrt(3), 1e-12);
  EXPECT_NEAR(difference.t(), -3.4641016151377544, 1e-9);
  EXPECT_EQ(difference.count, 3);
  Table table = difference_table(board);
  EXPECT_EQ(table.rows[0][1], "-0.200 ± 0.058 (-3.5)");
}

TEST(Results, TheLatestRunSaysHowManyWindowsCount) {
  std::vector<Json> records = made_up_records({{"a", "rope", "1", "", {{1.0, 2.0, 3.0}}}});
  records.push_back(made_up_run({{"a@128", 2}}, "2026-01-02T00:00:00.000000Z"));
  EXPECT_NEAR(collect_results(records).boards[0].rows[0].at(128)->loss.mean, 1.5, 1e-12);
  records.push_back(made_up_run({{"a@128", 5}}, "2026-01-03T00:00:00.000000Z"));
  Board board = collect_results(records).boards[0];
  EXPECT_FALSE(board.rows[0].at(128)->complete());
  EXPECT_NE(text_table(perplexity_table(board)).find("†"), std::string::npos);
}

TEST(Results, ALaterBuildReplacesAnEarlierOne) {
  std::vector<Json> records = made_up_records({{"a", "rope", "1", "", {{1.0, 2.0}}}});
  std::vector<Json> later = made_up_records({{"a", "rope", "1", "", {{3.0, 5.0}}}});
  for (Json record : later) {
    if (record["kind"] == "cell") record["build"]["commit"] = "def456";
    if (record["kind"] == "run") record = made_up_run({{"later", 2}}, "2026-01-02T00:00:00.000000Z");
    if (record["kind"] == "cell") record["key"] = "later";
    if (record["kind"] == "sample") record["cell"] = "later";
    records.push_back(record);
  }
  Results results = collect_results(records);
  ASSERT_EQ(results.boards[0].rows.size(), 1u);
  EXPECT_NEAR(results.boards[0].rows[0].at(128)->loss.mean, 4, 1e-12);
}

TEST(Results, SeedsOfOneRecipeMergeWithErrorsOverRuns) {
  Board board = board_of({{"runs/rope-s1", "rope", "1", "same", {{1.0, 2.0}}},
                          {"runs/rope-s2", "rope", "2", "same", {{1.2, 2.2}}},
                          {"runs/rope-s3", "rope", "3", "same", {{1.4, 2.4}}},
                          {"runs/cable", "cable", "1", "other", {{1.0, 1.0}}}});
  EXPECT_TRUE(has_seed_groups(board));
  Board merged = merge_seeds(board);
  ASSERT_EQ(merged.rows.size(), 2u);
  EXPECT_EQ(merged.rows[0].name, "rope (3 seeds)");
  EXPECT_NEAR(merged.rows[0].at(128)->loss.mean, 1.7, 1e-12);
  EXPECT_NEAR(merged.rows[0].at(128)->loss.error, 0.2 / std::sqrt(3), 1e-12);  // over 1.5, 1.7, 1.9
  EXPECT_EQ(merged.rows[0].at(128)->loss.count, 3);
  EXPECT_EQ(merged.rows[1].name, "cable");
  EXPECT_FALSE(has_seed_groups(merged));
}

TEST(Results, ALossThatOverflowedIsSaid) {
  Board board = board_of({{"a", "rope", "1", "", {{1.0, 1.1}, {1.0, INFINITY}}}});
  EXPECT_EQ(perplexity_table(board).rows[0][2], "not finite");
  EXPECT_EQ(finding_of(board).rows[0].verdict, Verdict::breaks);
}

TEST(Finding, SaysWhoHoldsAndWhoBreaks) {
  Finding finding = finding_of(board_of(three_models()));
  EXPECT_EQ(finding.headline,
            "At 512 tokens, 4 times the trained length, tiny-alibi and <tiny> & \"cable\" hold, and tiny-rope breaks");
  EXPECT_EQ(finding.details[0], "tiny-rope: perplexity 4.759 at 128, 20.09 at 512 (4.221 times)");
}

TEST(Figures, KeepTheDigitsThatMatter) {
  EXPECT_EQ(figure(4.6123), "4.612");
  EXPECT_EQ(figure(17.234), "17.23");
  EXPECT_EQ(figure(1234.5), "1,235");
  EXPECT_EQ(figure(3.1e9), "3.1e+09");
  EXPECT_EQ(figure(INFINITY), "inf");
  EXPECT_EQ(with_error({4.61234, 0.0512, 9}), "4.612 ± 0.051");
  EXPECT_EQ(with_error({172.34, 14.2, 9}), "172 ± 14");
  EXPECT_EQ(with_error({4.61234, std::nan(""), 1}), "4.612");
}

TEST(TrainingLogs, AreReadLeniently) {
  TemporaryFolder place;
  std::string folder = place / "tiny-rope";
  make_folders(folder);
  write_file(folder + "/log.jsonl",
             "{\"kind\":\"start\",\"threads\":2}\n{\"step\":1,\"loss\":5.5,\"tok_per_s\":10,\"new\":[1]}\n{\"step\":2,"
             "\"loss\":4.5,\"tok_per_s\":30}\n"
             "{\"kind\":\"val\",\"step\":2,\"val_loss\":4.7}\n{\"step\":3,\"lo");
  TrainingLog log;
  ASSERT_TRUE(read_training_log(folder, log));
  EXPECT_EQ(log.loss.size(), 2u);
  EXPECT_EQ(log.loss[1].value, 4.5);
  EXPECT_EQ(log.validation[0].value, 4.7);
  EXPECT_EQ(log.name, "tiny-rope");
  remove_all(folder);
  EXPECT_FALSE(read_training_log(folder, log));
}

}  // namespace
}  // namespace longhaul
