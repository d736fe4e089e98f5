// Counted positions on the CPU, without autograd. Private to ops/cope.
#pragma once
#include <cstdint>

namespace longhaul {

struct CopeTask {
  int64_t heads, rows, keys, first, positions;  // H, R, K, first, M
  const float *logits, *values;                 // [H, R, K], [H, R, M]
};

void cope_cpu(const CopeTask& task, float* out);  // [H, R, K]
void cope_backward_cpu(const CopeTask& task, const float* dout, float* dlogits,
                       float* dvalues);  // written, not added to

}  // namespace longhaul
