// Journal records as results: boards (one task on one data set) of rows (models) by columns (lengths). Nothing here is
// stored:
// every figure is recomputed from the samples.
#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "report/statistics.h"

namespace longhaul {

struct WindowScore {
  int64_t index = 0;                      // windows of equal index hold the same targets in every row of a column
  double nll = 0, tokens = 0, bytes = 0;  // nats; scored targets; bytes of source text
};

struct PositionLoss {
  int64_t context = 0;  // contexts of more than context / 2 and at most this many tokens
  double nll = 0, tokens = 0;
};

struct CellResult {
  int64_t length = 0;
  int64_t wanted = 0;                   // windows of the latest run; more than windows.size() when it was interrupted
  std::string reason;                   // why the model refused the length; empty otherwise
  std::vector<WindowScore> windows;     // by index
  std::vector<PositionLoss> positions;  // by context
  Estimate loss;                        // nats per token, error over windows (over seeds in a merged row)
  Estimate bits_per_byte;
  double tokens = 0, seconds = 0;
  double skip_rate = std::numeric_limits<double>::quiet_NaN();  // share of attention tiles proved negligible
  double peak_rss_bytes = 0;
  bool partial = false;  // of a merged row: a run lacks some of its windows, or all
  bool complete() const { return !partial && static_cast<int64_t>(windows.size()) == wanted; }
  Estimate perplexity() const { return exponential(loss); }
};

struct Row {
  std::string path, name;               // the run's folder; the shortest ending of it that tells the rows apart
  std::string label, position, method;  // "gpt:tiny", "cable", "none"
  int64_t trained_length = 0, parameters = 0;
  std::string seed, recipe;                    // rows of one recipe differ only in their seed; both empty when unknown
  int64_t seeds = 1;                           // rows that were merged into this one
  std::map<int64_t, CellResult> cells;         // by length
  const CellResult* at(int64_t length) const;  // null when absent, refused or without a window
};

struct Board {
  std::string task;  // "perplexity:protocol=block"
  Json data;         // about the task's data: folder, split, hash, targets
  Json settings;
  std::vector<int64_t> lengths;  // ascending
  std::vector<Row> rows;
  std::string protocol() const;                  // "block", "stride=256"
  std::vector<int64_t> trained_lengths() const;  // distinct, ascending
};

struct Results {
  std::vector<Board> boards;
  std::vector<Json> runs;  // the journals' run records, oldest first
};

// Records with their scores attached (eval/runner.h, read_scored), in the order that rows shall have. Of a cell
// measured by
// several builds the latest run's is taken, and of its samples those that this run wanted.
Results collect_results(const std::vector<Json>& records);

// Loss of `row` minus loss of `base`, nats per token, on the windows that both have; error over windows.
Estimate paired_difference(const CellResult& row, const CellResult& base);

// Rows of one recipe as one row: losses are means over runs with errors over runs; windows and positions are summed up.
Board merge_seeds(const Board& board);
bool has_seed_groups(const Board& board);

}  // namespace longhaul
