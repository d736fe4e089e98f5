#include "pos/distance.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/clamp.h>

#include <algorithm>

namespace longhaul {

Tensor distance_block(const Plan& plan, const AttentionSpans& spans, const Tensor& key_positions, int64_t b, int64_t i0,
                      int64_t i1, int64_t keys) {
  Tensor query = plan.seq.positions.slice(0, spans.query_offsets[b] + i0, spans.query_offsets[b] + i1);
  Tensor key = key_positions.slice(0, spans.key_begin[b], spans.key_begin[b] + keys);
  return at::clamp(query.unsqueeze(1) - key.unsqueeze(0), 0);
}

Bias distance_bias(const AttentionCall& call, std::vector<Tensor> inputs, const DistanceFunction& function,
                   int64_t limit) {
  if (call.plan->consecutive) {
    int64_t longest = 1;
    for (size_t b = 0; b < call.spans->key_begin.size(); ++b)
      longest = std::max(longest, call.spans->key_end[b] - call.spans->key_begin[b]);
    if (limit > 0) longest = std::min(longest, limit + 1);
    return DistanceBias{function(inputs, at::arange(longest, at::kDouble))};
  }
  RowBlockBias bias;
  bias.inputs = std::move(inputs);
  bias.rows = [plan = *call.plan, spans = *call.spans, key_positions = call.key_positions(), function](
                  const std::vector<Tensor>& now, int64_t b, int64_t i0, int64_t i1, int64_t keys) {
    Tensor distance = distance_block(plan, spans, key_positions, b, i0, i1, keys);
    return function(now, distance.flatten()).unflatten(1, distance.sizes());
  };
  return bias;
}

}  // namespace longhaul
