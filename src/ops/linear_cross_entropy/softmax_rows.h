// The passes over a block of the head's products: finish the logits, score the targets, turn logits into gradients.
#pragma once
#include <cstdint>

#include "ops/linear_cross_entropy/linear_cross_entropy.h"
#include "ops/tensor.h"

namespace longhaul {

struct RowScores {
  Tensor log_prob;  // [n] double; 0 for ignored targets
  Tensor rank;      // [n] int64, undefined unless wanted; -1 for ignored targets
};

// rows [n, V] f32 or double hold x W^T + bias -> soft_cap(scale rows), in place.
void finish_logits_(const Tensor& rows, const LogitHead& head);

// rows [n, V] contiguous hold x W^T + bias; targets [n] contiguous. Afterwards rows hold `gradient` times the loss's
// derivative by x W^T + bias; 0: they are scratch. A NaN in a row makes its score NaN.
RowScores softmax_rows_(const Tensor& rows, const LogitHead& head, const Tensor& targets, int64_t ignore_index,
                        double gradient, bool rank);
// The same as ATen operations: double, and devices other than the CPU.
RowScores softmax_rows_aten_(const Tensor& rows, const LogitHead& head, const Tensor& targets, int64_t ignore_index,
                             double gradient, bool rank);

// What the CPU's passes work on.
struct RowTask {
  float* rows;  // [n, vocabulary]
  int64_t vocabulary;
  double scale, soft_cap;
  const int64_t* targets = nullptr;  // [n]
  int64_t ignore_index = 0;
  double gradient = 0;
  double* log_prob = nullptr;  // [n]
  int64_t* rank = nullptr;     // [n] or null
};
void softmax_rows_cpu(const RowTask& task, int64_t rows);
void finish_rows_cpu(const RowTask& task, int64_t rows);

}  // namespace longhaul
