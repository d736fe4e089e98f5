#include "nn/cache.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/memory.h"
#include "ops/in_type.h"

namespace longhaul {

namespace {

Tensor new_channel(int64_t rows, int64_t heads, at::TensorOptions options) {
  return heads > 0 ? at::empty({rows, heads}, options.dtype(at::kDouble)) : Tensor();
}

// Tokens of a call that lie behind each other in a page of a pool.
struct Run {
  int64_t token, count, page, place;
  int64_t row() const { return page * kPageRows + place; }
};

std::vector<Run> runs_of(const Sequences& seq) {
  std::vector<Run> runs;
  for (int64_t b = 0; b < seq.count(); ++b) {
    const std::vector<int64_t>& pages = seq.pages->at(static_cast<size_t>(b));
    const int64_t end = seq.past[b] + seq.length(b), room = static_cast<int64_t>(pages.size()) * kPageRows;
    check(end <= room, "cache: sequence ", b, " has pages for ", room, " tokens, asked for ", end);
    for (int64_t j = seq.past[b], count = 0; j < end; j += count) {
      count = std::min(end - j, kPageRows - j % kPageRows);
      runs.push_back({seq.offsets[b] + j - seq.past[b], count, pages[j / kPageRows], j % kPageRows});
    }
  }
  return runs;
}

// from [T, G, D] f32 as int8 and scales [T, G]; a row with a number that is NaN or infinite has the scale NaN.
void quantize(const Tensor& from, const Tensor& numbers, const Tensor& scales) {
  const Tensor rows = from.contiguous();
  const int64_t dim = rows.size(2);
  const float* x = rows.const_data_ptr<float>();
  int8_t* to = numbers.mutable_data_ptr<int8_t>();
  float* scale = scales.mutable_data_ptr<float>();
  at::parallel_for(0, scales.numel(), 4096 / dim + 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      float most = 0, broken = 0;  // broken: 0 or NaN
      for (int64_t i = n * dim; i < (n + 1) * dim; ++i) most = std::max(most, std::abs(x[i])), broken += x[i] - x[i];
      scale[n] = most / 127 + broken;
      const float inverse = most > 0 ? 127 / most : 0;
      for (int64_t i = n * dim; i < (n + 1) * dim; ++i)
        to[i] = broken == 0 ? static_cast<int8_t>(std::nearbyint(x[i] * inverse)) : int8_t{1};
    }
  });
}

// Rows of [T, G, D] into their places in a pool [pages, G, kPageRows, D], of any strides, on the CPU; Bits: as many as a number has.
// A step of decoding many texts is as many runs of one row, too short for a tensor operation each.
template <class Bits>
void store_numbers(const Tensor& from, const std::vector<Run>& runs, const Tensor& pool) {
  const int64_t heads = from.size(1), dim = from.size(2), row = from.stride(0), number = from.stride(2);
  const int64_t pool_row = pool.stride(2), pool_number = pool.stride(3);
  const auto* numbers = static_cast<const Bits*>(from.const_data_ptr());
  auto* places = static_cast<Bits*>(pool.mutable_data_ptr());
  at::parallel_for(0, static_cast<int64_t>(runs.size()) * heads, 16384 / dim + 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const Run& run = runs[static_cast<size_t>(n / heads)];
      const Bits* x = numbers + run.token * row + n % heads * from.stride(1);
      Bits* to = places + run.page * pool.stride(0) + n % heads * pool.stride(1) + run.place * pool_row;
      for (int64_t r = 0; r < run.count; ++r, x += row, to += pool_row) {
        if (number == 1 && pool_number == 1) {
          std::copy_n(x, dim, to);
        } else {
          for (int64_t i = 0; i < dim; ++i) to[i * pool_number] = x[i * number];
        }
      }
    }
  });
}

void store(const Tensor& from, const std::vector<Run>& runs, const Tensor& pool) {
  if (!pool.is_cpu()) {
    for (const Run& run : runs)
      pool.select(0, run.page)
          .narrow(1, run.place, run.count)
          .copy_(from.narrow(0, run.token, run.count).transpose(0, 1));
    return;
  }
  const Tensor rows = in_type(from, pool.scalar_type());
  switch (pool.element_size()) {
    case 1: return store_numbers<uint8_t>(rows, runs, pool);
    case 2: return store_numbers<uint16_t>(rows, runs, pool);
    case 4: return store_numbers<uint32_t>(rows, runs, pool);
    case 8: return store_numbers<uint64_t>(rows, runs, pool);
    default: fail("cache: wanted numbers of 1, 2, 4 or 8 bytes, got ", pool.element_size());
  }
}

// A step of decoding is short enough for the time of a view and a copy of one number to show, in every layer.
void store_positions(const Tensor& from, const std::vector<Run>& runs, const Tensor& to) {
  const Tensor rows = from.contiguous();
  for (const Run& run : runs)
    std::copy_n(rows.const_data_ptr<double>() + run.token, run.count, to.mutable_data_ptr<double>() + run.row());
}

// This call's keys or values [T, G, D] into their places in a pool [pages, G, kPageRows, D].
void keep(const Tensor& from, const std::vector<Run>& runs, const Tensor& pool, const Tensor& scales) {
  if (!scales.defined()) return store(from, runs, pool);
  const Tensor numbers = at::empty(from.sizes(), pool.options());
  const Tensor own = at::empty({from.size(0), from.size(1)}, scales.options());
  quantize(from, numbers, own);
  store(numbers, runs, pool), store(own.unsqueeze(2), runs, scales.unsqueeze(3));
}

}  // namespace

int64_t element_bytes(CacheType type, int64_t element_size) {
  return type == CacheType::same ? element_size : type == CacheType::bf16 ? 2 : 1;
}

int64_t scale_bytes(CacheType type) { return type == CacheType::int8 ? 4 : 0; }

LayerCache LayerCache::make(const Sequences& seq, int64_t kv_heads, int64_t head_dim, int64_t channel_heads,
                            at::TensorOptions options) {
  std::vector<int64_t> begin;
  int64_t rows = 0;
  for (int64_t total : seq.total) {
    begin.push_back(rows);
    rows += total;
  }
  LayerCache cache;
  for (Tensor* t : {&cache.k, &cache.v}) *t = at::empty({rows, kv_heads, head_dim}, options);
  cache.channel = new_channel(rows, channel_heads, options);
  cache.positions = at::empty({rows}, options.dtype(at::kDouble));
  cache.begin = std::move(begin);
  return cache;
}

LayerCache LayerCache::pool(const Tensor& positions, int64_t kv_heads, int64_t head_dim, int64_t channel_heads,
                            at::TensorOptions options, CacheType type) {
  const int64_t rows = positions.size(0), pages = rows / kPageRows;
  if (type != CacheType::same) options = options.dtype(type == CacheType::bf16 ? at::kBFloat16 : at::kChar);
  LayerCache cache;
  cache.k = at::empty({pages, kv_heads, head_dim, kPageRows}, options);
  cache.v = at::empty({pages, kv_heads, kPageRows, head_dim}, options);
  for (Tensor* t : {&cache.k, &cache.v}) {
    if (t->is_cpu()) prefer_huge_pages(t->mutable_data_ptr(), static_cast<int64_t>(t->nbytes()));
  }
  cache.channel = new_channel(rows, channel_heads, options);
  cache.positions = positions;
  if (type != CacheType::int8) return cache;
  for (Tensor* scale : {&cache.k_scale, &cache.v_scale})
    *scale = at::empty({pages, kv_heads, kPageRows}, options.dtype(at::kFloat));
  return cache;
}

void LayerCache::copy_page(int64_t from, int64_t to) const {
  for (const Tensor& t : {k, v, k_scale, v_scale})
    if (t.defined()) t.select(0, to).copy_(t.select(0, from));
  if (!channel.defined()) return;
  channel.narrow(0, to * kPageRows, kPageRows).copy_(channel.narrow(0, from * kPageRows, kPageRows));
}

AttentionSpans LayerCache::append(const Tensor& keys, const Tensor& values, const Sequences& seq) {
  AttentionSpans spans;
  spans.query_offsets = seq.offsets;
  if (seq.pages) {
    const std::vector<Run> runs = runs_of(seq);
    keep(keys, runs, k.transpose(2, 3), k_scale);
    keep(values, runs, v, v_scale);
    store_positions(seq.positions, runs, positions);
    spans.pages = seq.pages;
    spans.reduced = k.scalar_type() != keys.scalar_type();
    spans.k_scale = k_scale, spans.v_scale = v_scale;
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
  for (const Run& run : runs_of(seq)) {
    const auto b = std::upper_bound(seq.offsets.begin(), seq.offsets.end(), run.token) - seq.offsets.begin() - 1;
    const int64_t first = spans.key_end[b] - seq.length(b) + run.token - seq.offsets[b];
    channel.narrow(0, run.row(), run.count).copy_(filled.narrow(0, first, run.count));
  }
}

}  // namespace longhaul
