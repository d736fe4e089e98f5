#include "ops/attention/ranged_attention.h"

#include <algorithm>

#include "base/error.h"
#include "ops/attention/attention_problem.h"

namespace longhaul {

Tensor ranged_attention(const std::vector<AttentionRange>& ranges, const Tensor& v, const AttentionSpans& spans,
                        const AttentionOptions& options) {
  check(!ranges.empty() && options.causal, "attention: ranges are for causal calls, and at least one is wanted");
  if (spans.pages && !is_fused(ranges.front().q)) {  // only the fused path looks pages up
    std::vector<AttentionRange> gathered = ranges;
    KeyRows rows;
    for (AttentionRange& range : gathered) {
      rows = without_pages(range.k, v, spans);
      range.k = rows.k;
    }
    return ranged_attention(gathered, rows.v, rows.spans, options);
  }
  std::vector<CheckedAttention> calls;
  for (const AttentionRange& range : ranges) {
    check(range.nearest >= 0 && range.window >= 0 && range.first_keys >= 0,
          "attention: the limits of a range must not be negative, got ", range.nearest, ", ", range.window, " and ",
          range.first_keys);
    AttentionOptions own = options;
    if (range.window > 0) own.window = own.window > 0 ? std::min(own.window, range.window) : range.window;
    calls.push_back(checked_call(range.q, range.k, v, spans, {}, own));
    calls.back().problem->nearest = range.nearest, calls.back().problem->first_keys = range.first_keys;
  }
  return run_attention(calls);
}

}  // namespace longhaul
