// `longhaul bench <what>`: speed and memory of one thing, one row per cell. A bench is one self-registering file,
// bench/<what>.cpp. Every cell is measured in a process of its own, so that its peak memory is its own; cells of one `case` take
// turns (bench/turns.h).
#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/registry.h"

namespace longhaul {

// A cell is a Json object: {peer, shape: {...}} and, where rows are compared, `case` (rows of one bench and one case did the same
// work) and `baseline` (the name under which the others' `ratio_to` lists this row). A cell may be of another
// bench: the bound that is to be measured in turns with the others of its case; `bound_of` then names theirs.
// The driver adds bench, threads and, of repeats, budget, dtype and seed, those that the bench honours and the cell has not.
using BenchCells = std::function<std::vector<Json>()>;

struct Bench {
  std::string bound;  // "gemm": percent_of_bound of GFLOP/s; "memory": of GB/s; "": none, or it is one itself
  std::function<BenchCells(CLI::App&)> options;  // adds its flags, returns what lists the cells once they are parsed
  std::function<Json(const Json& cell)>
      measure;                  // runs one cell: the row's keys beside the cell's own (Measurement::json)
  std::string bound_kind = "";  // the bound's rows whose shape has this `kind` alone ("read"); "": all of them
  std::vector<std::string> without = {};  // flags of every bench that this one cannot honour, and refuses: "--dtype"
};
Registry<Bench>& Benches();

// What was measured in a cell. FLOPs and bytes are those of one repeat, by the formulas of bench/peers/common.py.
struct Measurement {
  std::vector<double> seconds, cpu_seconds;  // of each repeat: wall clock; processor time of all threads
  int64_t tokens = 0;
  double flops = 0, bytes = 0;  // 0: not stated
  int64_t extra_bytes = -1;     // peak memory above what the bench says was there before; -1: not stated
  Json json(int64_t threads) const;
};

double cpu_seconds();  // processor time of this process so far, all threads

// Calls `work` once to warm up and `repeats` times measured, each when its turn has come (bench/turns.h); stops early, with one
// repeat at least, when `budget` seconds are spent.
Measurement measure(const std::function<void()>& work, int64_t repeats, double budget);
// As often as the cell says, times `times` for work that is short.
Measurement measure_cell(const std::function<void()>& work, const Json& cell, int64_t times = 1);
// `count` calls behind each other, as tokens are generated, four in a turn. Seconds of all of them: count times the tenth percentile
// of the calls (what a quiet machine shows, as in bench/peers/decode.py), then count times their median.
Measurement measure_series(const std::function<void()>& work, int64_t count);

// Peak memory of this process above what is resident when the watch is made (freed memory is given back first).
class PeakWatch {
 public:
  PeakWatch();
  int64_t above_start() const;  // bytes; -1 where the system does not let a process reset its own peak

 private:
  bool reset_;
  int64_t start_;
};

// "torch 2.13.0": the version key of a row whose peer is ATen.
std::string torch_version();

// A flag holding a comma list of lengths ("1k,4k"), checked while parsing.
void add_lengths_option(CLI::App& app, const std::string& name, std::vector<int64_t>& lengths, const std::string& help);

}  // namespace longhaul
