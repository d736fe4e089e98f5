// FIRE's bias (Li et al. 2023, arXiv 2310.04418): an MLP of r = ln(|c d| + 1) / (ln(|c max(i, reach)| + 1) + 1e-6), where d is the
// distance of a key from its query and i the query's position; 1 -> hidden with ReLU -> H.
#pragma once
#include "ops/tensor.h"

namespace longhaul {

// All of one dtype, differentiable.
struct FireNetwork {
  Tensor c, reach;        // []; |reach| is used
  Tensor weight0, bias0;  // [hidden, 1], [hidden]
  Tensor weight2, bias2;  // [H, hidden], [H]
};

// distance [R, K] and position [R] of the queries, double -> [H, R, K]. Any positions, any device; R K hidden numbers are kept.
Tensor fire_bias(const FireNetwork& network, const Tensor& distance, const Tensor& position);

// The same for queries that stand at first, first + 1, ... and keys at 0 .. K - 1: distance max(first + r - j, 0).
// K >= first + rows. In f32 on the CPU by an own kernel: the MLP is linear between the places where one of its ReLUs turns, and
// along a row those are a few ranges of keys. It keeps nothing but [H, R, K] and differs from the other by rounding alone.
Tensor fire_bias(const FireNetwork& network, int64_t first, int64_t rows, int64_t keys);

}  // namespace longhaul
