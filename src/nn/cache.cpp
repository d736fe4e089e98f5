#include "nn/cache.h"

#include <ATen/ops/empty.h>

#include "base/error.h"

namespace longhaul {

LayerCache LayerCache::make(const Sequences& seq, int64_t kv_heads, int64_t head_dim, int64_t channel_heads,
                            at::TensorOptions options) {
  LayerCache cache;
  int64_t capacity = 0;
  for (int64_t total : seq.total) {
    cache.begin.push_back(capacity);
    capacity += total;
  }
  cache.k = at::empty({capacity, kv_heads, head_dim}, options);
  cache.v = at::empty({capacity, kv_heads, head_dim}, options);
  cache.positions = at::empty({capacity}, options.dtype(at::kDouble));
  if (channel_heads > 0) cache.channel = at::empty({capacity, channel_heads}, options.dtype(at::kDouble));
  return cache;
}

AttentionSpans LayerCache::append(const Tensor& keys, const Tensor& values, const Sequences& seq) {
  AttentionSpans spans;
  spans.query_offsets = seq.offsets;
  for (int64_t b = 0; b < seq.count(); ++b) {
    int64_t length = seq.length(b), first = begin[b] + seq.past[b];
    check(seq.past[b] + length <= seq.total[b], "cache: sequence ", b, " has room for ", seq.total[b],
          " tokens, asked for ", seq.past[b] + length);
    k.narrow(0, first, length).copy_(keys.narrow(0, seq.offsets[b], length));
    v.narrow(0, first, length).copy_(values.narrow(0, seq.offsets[b], length));
    positions.narrow(0, first, length).copy_(seq.positions.narrow(0, seq.offsets[b], length));
    spans.key_begin.push_back(begin[b]);
    spans.key_end.push_back(first + length);
  }
  return spans;
}

}  // namespace longhaul
