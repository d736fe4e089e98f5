// DAPE's network on the CPU, without autograd. Private to ops/dape.
#pragma once
#include <cstdint>

namespace longhaul {

struct DapeTask {
  int64_t heads, hidden, pairs;  // H, hidden, R K
  const float *logits, *bias;    // [H, R K]
  const float *weight0, *bias0;  // [hidden, 2 H], [hidden]
  const float *weight2, *bias2;  // [H, hidden], [H]
  bool adds_bias;
};

void dape_cpu(const DapeTask& task, float* out);  // [H, R K]

// Written. Groups of kDapeGroup pairs have a row each of the weights' gradients, to be added in their order.
constexpr int64_t kDapeGroup = 2048;
struct DapeGradients {
  float *dlogits, *dbias;    // [H, R K]
  float *dweight0, *dbias0;  // [groups, hidden, 2 H], [groups, hidden]
  float *dweight2, *dbias2;  // [groups, H, hidden], [groups, H]
};
void dape_backward_cpu(const DapeTask& task, const float* dout, const DapeGradients& gradients);

}  // namespace longhaul
