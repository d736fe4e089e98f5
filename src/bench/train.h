// What `bench train` and `bench encodings` share: a training step, measured, and the flags that say which.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "bench/bench.h"

namespace longhaul {

constexpr int64_t kBenchVocab = 50304;

// Forward, backward, clip and AdamW as `longhaul train` does them. The cell says shape (a size of the gpt family), pos, length,
// batch, skip_eps and recompute. extra_mb: the peak above weights, gradients and two moments.
Json measure_training_step(const Json& cell);

void add_sizes_option(CLI::App& app, std::vector<std::string>& sizes);         // --size
void add_positions_option(CLI::App& app, std::vector<std::string>& positions,  // --pos
                          const std::string& help);
void add_batch_option(CLI::App& app, int64_t& batch, const std::string& meaning = "sequences of a step");  // --batch
void add_skip_option(CLI::App& app, double& skip_eps);                                                     // --skip-eps

}  // namespace longhaul
