// The CPU's f32 passes of the optimizer.
#pragma once
#include <cstdint>

#include "ops/adamw/adamw.h"

namespace longhaul {

// In double. Blocks are fixed and their sums are added in order: the same bits on any thread count.
double sum_of_squares_cpu(const float* data, int64_t count);

// One dense parameter with all that belongs to it, [count] each.
struct AdamWTask {
  int64_t count;
  float* parameter;
  const float* gradient;
  float *first, *second;  // moments
};

// Reads 16 bytes a number and writes 12. The gradient is scaled on its way and stays as it is.
void adamw_step_cpu(const AdamWTask& task, int64_t step, const AdamWOptions& options, double gradient_scale);

}  // namespace longhaul
