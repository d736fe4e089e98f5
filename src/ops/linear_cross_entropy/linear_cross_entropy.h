// The language-model head and its losses without ever holding [T, V] logits.
#pragma once
#include <cstdint>

#include "ops/norm/norm.h"
#include "ops/tensor.h"

namespace longhaul {

// logits = soft_cap(scale * (x W^T + bias))
struct LogitHead {
  Tensor weight;  // [V, C], plain or packed (packed_weight.h: no gradients)
  Tensor bias;    // [V] or undefined
  double scale = 1;
  double soft_cap = 0;  // x -> c tanh(x / c); 0: none
};

// `factor` times the sum over tokens of -log softmax(logits)[target]; targets equal to `ignore_index` count nothing. Scalar,
// differentiable in x, weight and bias. The gradients are formed in the forward pass, chunk by chunk (three GEMMs in all); a factor
// given here costs nothing, one applied to the loss costs a pass over them in backward.
// x [T, C] f32, bf16 or double; targets [T] int64 in [0, V) or ignore_index. Sums in f32 (double for double), the total in double.
Tensor linear_cross_entropy(const Tensor& x, const LogitHead& head, const Tensor& targets, int64_t ignore_index = -100,
                            double factor = 1);

struct TokenScores {
  Tensor log_prob;  // [T] double
  Tensor rank;      // [T] int64: how many tokens have a larger logit than the target; 0 = it is the greedy choice
};
// Log-probability and rank of each target by the head of the normalised x [T, C], block by block: of a text longer than a
// block there is no second copy. No gradient. Ignored targets give 0 and -1.
TokenScores score_targets(const Tensor& x, const Norm& norm, const LogitHead& head, const Tensor& targets,
                          int64_t ignore_index = -100);

// Logits of the given rows only (decode asks for the last). x [n, C] -> [n, V].
Tensor logits(const Tensor& x, const LogitHead& head);

}  // namespace longhaul
