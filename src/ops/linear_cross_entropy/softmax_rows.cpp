// The passes as ATen operations.
#include "ops/linear_cross_entropy/softmax_rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/where.h>

namespace longhaul {

void finish_logits_(const Tensor& rows, const LogitHead& head) {
  if (head.bias.defined()) rows.add_(head.bias);
  if (head.scale != 1) rows.mul_(head.scale);
  if (head.soft_cap > 0) rows.div_(head.soft_cap).tanh_().mul_(head.soft_cap);
}

RowScores softmax_rows_(const Tensor& rows, const LogitHead& head, const Tensor& targets, int64_t ignore_index,
                        bool gradient, bool rank) {
  finish_logits_(rows, head);
  const Tensor counted = targets.ne(ignore_index);
  const Tensor index = targets.masked_fill(counted.logical_not(), 0).unsqueeze(1);
  const Tensor target = rows.gather(1, index), log_sum = rows.logsumexp(1, true);
  RowScores scores;
  scores.log_prob = (target.to(at::kDouble) - log_sum.to(at::kDouble)).squeeze(1).mul_(counted);
  if (rank) scores.rank = at::where(counted, rows.gt(target).sum(1), -1);
  if (!gradient) return scores;
  // d/dz of -log softmax(l), l = cap tanh(scale z / cap): (softmax - onehot) scale (1 - (l / cap)^2)
  Tensor slope;
  if (head.soft_cap > 0) slope = rows.div(head.soft_cap).square_().neg_().add_(1);
  rows.sub_(log_sum).exp_();
  rows.scatter_add_(1, index, at::full_like(target, -1));
  if (slope.defined()) rows.mul_(slope);
  rows.mul_(counted.unsqueeze(1).to(rows.scalar_type()).mul(head.scale));
  return scores;
}

}  // namespace longhaul
