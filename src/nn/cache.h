// Keys and values of one layer for sequences that arrive in chunks.
#pragma once
#include <cstdint>
#include <vector>

#include "ops/attention/attention.h"
#include "ops/sequences.h"

namespace longhaul {

struct LayerCache {
  Tensor k, v;                 // [capacity, G, D]
  Tensor channel;              // [capacity, H] double, for encodings with key_channel()
  std::vector<int64_t> begin;  // [B] first row of each sequence; it has room for `total` rows

  // Copies this call's keys and values behind what is there and returns which rows each query may see.
  AttentionSpans append(const Tensor& keys, const Tensor& values, const Sequences& seq);
};

}  // namespace longhaul
