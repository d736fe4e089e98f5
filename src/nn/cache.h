// Keys and values of one layer for sequences that arrive in pieces.
#pragma once
#include <cstdint>
#include <vector>

#include "ops/attention/attention.h"
#include "ops/sequences.h"

namespace longhaul {

// What a pool of pages holds keys and values in.
enum class CacheType {
  same,  // as the model computes
  bf16,  // rounded to nearest, half to even
  int8   // scale * q with q in [-127, 127]; of each row and head one f32 scale, its largest magnitude / 127
};
int64_t element_bytes(CacheType type, int64_t element_size);  // of a number; element_size: the model's
int64_t scale_bytes(CacheType type);                          // of each row and head beside its numbers

// Either room for a fixed set of sequences, one behind the other (make), or a pool of pages for sequences that come and go
// (pool): then every call's Sequences say in which pages each of its sequences lies. Keys are stored rotated, but for an
// encoding that moves with the length (Encoding::moves_with_length): then they are stored as they are before it.
struct LayerCache {
  Tensor k, v;                 // [rows, G, D]; of a pool [pages, G, D, kPageRows] and [pages, G, kPageRows, D]
  Tensor k_scale, v_scale;     // of int8: [pages, G, kPageRows]
  Tensor positions;            // [rows] double
  Tensor channel;              // [rows, H] double, for encodings with key_channel()
  std::vector<int64_t> begin;  // [B] first row of each sequence; it has room for `total` rows. Empty: a pool

  // Room for the whole of each sequence (seq.total).
  static LayerCache make(const Sequences& seq, int64_t kv_heads, int64_t head_dim, int64_t channel_heads,
                         at::TensorOptions options);
  // `positions` [pages * kPageRows] double may be shared by all layers: they write the same there.
  static LayerCache pool(const Tensor& positions, int64_t kv_heads, int64_t head_dim, int64_t channel_heads,
                         at::TensorOptions options, CacheType type = CacheType::same);

  // Copies this call's keys, values and positions behind what is there and returns which rows each query may see.
  AttentionSpans append(const Tensor& keys, const Tensor& values, const Sequences& seq);
  // Positions [S] and channel [S, H] of the keys that the spans count: the rows themselves, or a pool's pages gathered.
  Tensor key_positions(const Sequences& seq) const;
  Tensor key_channel(const Sequences& seq) const;
  // Everything but the positions, from one page of a pool to another.
  void copy_page(int64_t from, int64_t to) const;
  // Stores this call's rows of key_channel(), which the encoding has filled in.
  void keep_channel(const Tensor& filled, const AttentionSpans& spans, const Sequences& seq);
};

}  // namespace longhaul
