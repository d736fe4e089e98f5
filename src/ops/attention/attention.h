// Softmax attention over packed sequences with any bias of bias.h, in O(T) memory forward and backward.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ops/attention/bias.h"
#include "ops/sequences.h"
#include "ops/tensor.h"

namespace longhaul {

// Which rows belong to which sequence. The last query of a sequence sees the last key of it: query row r of n stands at
// index keys - n + r. Keys are ranges, not offsets, so that a cache with spare room can be passed as it is.
// With `pages`, k and v are pools and stay where they are: what a head reads of a page is one stream, in the order in which products
// take it. v is [pages, G, kPageRows, D], k is [pages, G, D, kPageRows].
// key_begin and key_end are then rows of what gather_pages() would make of a tensor over the pool's rows, and that is also the
// layout of the bias's tensors over keys (s).
struct AttentionSpans {
  std::vector<int64_t> query_offsets;       // [B+1]
  std::vector<int64_t> key_begin, key_end;  // [B]
  std::shared_ptr<const PageTable> pages;   // null: rows of k and v are what key_begin counts
  // Keys and values are held in less than the f32 of the queries: bf16, or int8 with a scale for each row and head.
  bool reduced = false;
  Tensor k_scale, v_scale;  // f32, as v without D: int8 k and v are multiplied by them
  static AttentionSpans self(const std::vector<int64_t>& offsets);  // keys are the queries' own tokens (training)
};

// Rows of a pool [pages * kPageRows, ...] in the order of the sequences, each from the start of a page: sequence b begins at
// row kPageRows * (pages of the sequences before b). Copies whole pages, so rows behind a sequence's end hold anything.
Tensor gather_pages(const Tensor& pool, const PageTable& pages);

// Keys and values [S, G, D] as the spans count them: gathered from their pages, or as they are when there are none; reduced ones
// as f32. For code that reads keys itself.
struct KeyRows {
  Tensor k, v;
  AttentionSpans spans;  // without pages, not reduced
};
KeyRows without_pages(const Tensor& k, const Tensor& v, const AttentionSpans& spans);

// Tiles of the (query, key) plane, per query head.
struct AttentionStats {
  std::vector<int64_t> tiles;    // [H] tiles the mask allows
  std::vector<int64_t> skipped;  // [H] of them, not computed because their weight is provably negligible
  double skip_rate() const;
};

struct AttentionOptions {
  double scale = 1;  // logit = soft_cap(row_scale_i * scale * q.k) + bias
  bool causal = true;
  int64_t window = 0;      // a query sees itself and the window - 1 keys before it; 0: all. Causal calls only
  double soft_cap = 0;     // x -> c tanh(x / c); 0: none
  Tensor row_scale;        // [T] double or undefined: log-n scaling. Not differentiable
  double skip_eps = 1e-7;  // tiles that provably hold less than this share of every row's weight are skipped; 0: none
  AttentionStats* stats = nullptr;  // added to, in the forward pass
};

// q [T, H, D]; k, v [S, G, D] of q's dtype (or reduced, AttentionSpans, without gradients) with H a multiple of G and D in 1..256;
// last dimension contiguous, any other strides. Pools (AttentionSpans::pages) are contiguous.
// Returns [T, H, D] in q's dtype. f32 and bf16 run fused on the CPU (f32 sums; same bits on any thread count); double and
// other devices run as a composition of ATen ops by row blocks. A query that sees no key gives zeros.
// Gradients: q, k, v and every tensor of the bias; none with pages. Error for shapes that do not fit.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpans& spans, const Bias& bias,
                 const AttentionOptions& options);

}  // namespace longhaul
