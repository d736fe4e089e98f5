// What a run costs: the machine's rate to compare with, and memory before it is spent.
#pragma once
#include <cstdint>

#include "models/models.h"
#include "train/settings.h"

namespace longhaul {

// Floating-point operations per second of square matrix products (ops/linear/product.h) in this dtype, best of about `seconds`,
// on the current thread count. Step lines say what share of it the whole step reached.
double measure_gemm_rate(at::ScalarType dtype, double seconds = 0.3);

// Floating-point operations of one optimizer step: forward once, backward twice that (recomputation is not counted as work).
double step_flops(const ModelInfo& info, const TrainSettings& settings);

struct MemoryEstimate {  // bytes
  double weights = 0, gradients = 0, moments = 0;
  double activations = 0;  // kept for the backward pass of one forward, and the largest temporary; estimated
  double total() const { return weights + gradients + moments + activations; }
};
MemoryEstimate estimate_memory(const Model& model, const TrainSettings& settings);

// What `--dry-run` tells: {model, position, parameters, tokens_per_step, accumulation, steps, train_tokens, epochs, val_tokens,
// flop_per_step, memory_bytes: {weights, gradients, moments, activations, total}}.
Json plan_json(const Model& model, const TrainSettings& settings, const Dataset& dataset);

}  // namespace longhaul
