// Attention whose logits come from other queries and keys for near pairs than for far ones, and which may leave pairs out: what
// self-extension, ReRoPE, attention sinks and Lambda masks are made of. Each range of distances is an attention of its own, in
// O(T) memory; they are put together by the logarithms of their sums, which is exact.
#pragma once
#include <vector>

#include "ops/attention/attention.h"

namespace longhaul {

// The pairs (i, j) with nearest <= i - j < window and j < first_keys; i, j are indices in the sequence.
struct AttentionRange {
  Tensor q, k;             // as attention()'s: the same tokens, turned as this range has them
  int64_t nearest = 0;     // >= 0
  int64_t window = 0;      // 0: no end
  int64_t first_keys = 0;  // 0: all
};

// One softmax over the pairs of all ranges, which must not overlap: [T, H, D]. Options as attention()'s, causal; their window
// limits every range. A query that sees no key gives zeros. Gradients: q and k of every range, v. Error as attention().
Tensor ranged_attention(const std::vector<AttentionRange>& ranges, const Tensor& v, const AttentionSpans& spans,
                        const AttentionOptions& options);

}  // namespace longhaul
