// Keys and values of one layer for sequences that arrive in chunks.
#pragma once
#include <cstdint>
#include <vector>

#include "ops/attention/attention.h"
#include "ops/sequences.h"

namespace longhaul {

struct LayerCache {
  Tensor k, v;                 // [capacity, G, D]
  Tensor positions;            // [capacity] double
  Tensor channel;              // [capacity, H] double, for encodings with key_channel()
  std::vector<int64_t> begin;  // [B] first row of each sequence; it has room for `total` rows

  // Room for the whole of each sequence (seq.total).
  static LayerCache make(const Sequences& seq, int64_t kv_heads, int64_t head_dim, int64_t channel_heads,
                         at::TensorOptions options);
  // Copies this call's keys, values and positions behind what is there and returns which rows each query may see.
  AttentionSpans append(const Tensor& keys, const Tensor& values, const Sequences& seq);
};

}  // namespace longhaul
