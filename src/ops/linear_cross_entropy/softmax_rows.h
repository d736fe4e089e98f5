// The passes over a block of the head's products: finish the logits, score the targets, turn logits into gradients.
#pragma once
#include "ops/linear_cross_entropy/linear_cross_entropy.h"
#include "ops/tensor.h"

namespace longhaul {

struct RowScores {
  Tensor log_prob;  // [n] double; 0 for ignored targets
  Tensor rank;      // [n] int64, undefined unless wanted; -1 for ignored targets
};

// rows [n, V] f32 or double hold x W^T -> soft_cap(scale (rows + bias)), in place.
void finish_logits_(const Tensor& rows, const LogitHead& head);

// rows [n, V] hold x W^T; targets [n]. With `gradient` they hold the loss's derivative by x W^T afterwards, else they are scratch.
RowScores softmax_rows_(const Tensor& rows, const LogitHead& head, const Tensor& targets, int64_t ignore_index,
                        bool gradient, bool rank);

}  // namespace longhaul
