#include "nn/cache.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include "base/error.h"

namespace longhaul {

namespace {

LayerCache with_rows(int64_t rows, int64_t kv_heads, int64_t head_dim, int64_t channel_heads,
                     at::TensorOptions options) {
  LayerCache cache;
  cache.k = at::empty({rows, kv_heads, head_dim}, options);
  cache.v = at::empty({rows, kv_heads, head_dim}, options);
  if (channel_heads > 0) cache.channel = at::empty({rows, channel_heads}, options.dtype(at::kDouble));
  return cache;
}

// [T] int64: the pool's rows of this call's tokens.
Tensor rows_of_tokens(const Sequences& seq) {
  std::vector<int64_t> rows;
  for (int64_t b = 0; b < seq.count(); ++b) {
    const std::vector<int64_t>& pages = seq.pages->at(static_cast<size_t>(b));
    const int64_t end = seq.past[b] + seq.length(b), room = static_cast<int64_t>(pages.size()) * kPageRows;
    check(end <= room, "cache: sequence ", b, " has pages for ", room, " tokens, asked for ", end);
    for (int64_t j = seq.past[b]; j < end; ++j) rows.push_back(pages[j / kPageRows] * kPageRows + j % kPageRows);
  }
  return at::tensor(rows, at::TensorOptions(at::kLong));
}

}  // namespace

LayerCache LayerCache::make(const Sequences& seq, int64_t kv_heads, int64_t head_dim, int64_t channel_heads,
                            at::TensorOptions options) {
  std::vector<int64_t> begin;
  int64_t rows = 0;
  for (int64_t total : seq.total) {
    begin.push_back(rows);
    rows += total;
  }
  LayerCache cache = with_rows(rows, kv_heads, head_dim, channel_heads, options);
  cache.positions = at::empty({rows}, options.dtype(at::kDouble));
  cache.begin = std::move(begin);
  return cache;
}

LayerCache LayerCache::pool(const Tensor& positions, int64_t kv_heads, int64_t head_dim, int64_t channel_heads,
                            at::TensorOptions options) {
  LayerCache cache = with_rows(positions.size(0), kv_heads, head_dim, channel_heads, options);
  cache.positions = positions;
  return cache;
}

AttentionSpans LayerCache::append(const Tensor& keys, const Tensor& values, const Sequences& seq) {
  AttentionSpans spans;
  spans.query_offsets = seq.offsets;
  if (seq.pages) {
    const Tensor rows = rows_of_tokens(seq).to(k.device());
    k.index_copy_(0, rows, keys);
    v.index_copy_(0, rows, values);
    positions.index_copy_(0, rows, seq.positions);
    spans.pages = seq.pages;
    int64_t first = 0;
    for (int64_t b = 0; b < seq.count(); ++b) {
      spans.key_begin.push_back(first);
      spans.key_end.push_back(first + seq.past[b] + seq.length(b));
      first += static_cast<int64_t>((*seq.pages)[static_cast<size_t>(b)].size()) * kPageRows;
    }
    return spans;
  }
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

Tensor LayerCache::key_positions(const Sequences& seq) const {
  return seq.pages ? gather_pages(positions, *seq.pages) : positions;
}

Tensor LayerCache::key_channel(const Sequences& seq) const {
  return seq.pages && channel.defined() ? gather_pages(channel, *seq.pages) : channel;
}

void LayerCache::keep_channel(const Tensor& filled, const AttentionSpans& spans, const Sequences& seq) {
  if (!channel.defined() || !seq.pages) return;  // without pages the encoding wrote into the rows themselves
  std::vector<Tensor> parts;
  for (int64_t b = 0; b < seq.count(); ++b) {
    parts.push_back(filled.narrow(0, spans.key_end[b] - seq.length(b), seq.length(b)));
  }
  channel.index_copy_(0, rows_of_tokens(seq).to(channel.device()), at::cat(parts));
}

}  // namespace longhaul
