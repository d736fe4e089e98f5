// Dispatch of the passes, and the passes as ATen operations.
#include "ops/linear_cross_entropy/softmax_rows.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/where.h>

namespace longhaul {
namespace {

bool fast(const Tensor& rows) { return rows.is_cpu() && rows.scalar_type() == at::kFloat; }

void finish_logits_aten_(const Tensor& rows, const LogitHead& head) {
  if (head.scale != 1) rows.mul_(head.scale);
  if (head.soft_cap > 0) rows.div_(head.soft_cap).tanh_().mul_(head.soft_cap);
}

}  // namespace

void finish_logits_(const Tensor& rows, const LogitHead& head) {
  if (!fast(rows)) return finish_logits_aten_(rows, head);
  if (head.scale == 1 && head.soft_cap == 0) return;
  finish_rows_cpu({rows.mutable_data_ptr<float>(), rows.size(1), head.scale, head.soft_cap}, rows.size(0));
}

RowScores softmax_rows_(const Tensor& rows, const LogitHead& head, const Tensor& targets, int64_t ignore_index,
                        double gradient, bool rank) {
  if (!fast(rows)) return softmax_rows_aten_(rows, head, targets, ignore_index, gradient, rank);
  RowScores scores;
  scores.log_prob = at::empty({rows.size(0)}, at::kDouble);
  if (rank) scores.rank = at::empty({rows.size(0)}, at::kLong);
  softmax_rows_cpu(
      {rows.mutable_data_ptr<float>(), rows.size(1), head.scale, head.soft_cap, targets.const_data_ptr<int64_t>(),
       ignore_index, gradient, scores.log_prob.mutable_data_ptr<double>(),
       rank ? scores.rank.mutable_data_ptr<int64_t>() : nullptr},
      rows.size(0));
  return scores;
}

RowScores softmax_rows_aten_(const Tensor& rows, const LogitHead& head, const Tensor& targets, int64_t ignore_index,
                             double gradient, bool rank) {
  finish_logits_aten_(rows, head);
  const Tensor ignored = targets.eq(ignore_index);
  const Tensor index = targets.masked_fill(ignored, 0).unsqueeze(1);
  const Tensor target = rows.gather(1, index), log_sum = rows.logsumexp(1, true);
  RowScores scores;
  scores.log_prob = (target.to(at::kDouble) - log_sum.to(at::kDouble)).squeeze(1).masked_fill_(ignored, 0);
  if (rank) scores.rank = rows.gt(target).sum(1).masked_fill_(ignored, -1);
  if (gradient == 0) return scores;
  // d/dz of -log softmax(l), l = cap tanh(scale z / cap): (softmax - onehot) scale (1 - (l / cap)^2), times `gradient`
  Tensor slope;
  if (head.soft_cap > 0) slope = rows.div(head.soft_cap).square_().neg_().add_(1);
  rows.sub_(log_sum).exp_();
  rows.scatter_add_(1, index, at::full_like(target, -1));
  if (slope.defined()) rows.mul_(slope);
  rows.mul_(head.scale * gradient).masked_fill_(ignored.unsqueeze(1), 0);
  return scores;
}

}  // namespace longhaul
