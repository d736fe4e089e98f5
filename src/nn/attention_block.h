// Self-attention as most transformers write it: norm, fused qkv, rotation, attention with the encoding's bias, projection.
#pragma once
#include <cstdint>
#include <optional>

#include "nn/model.h"
#include "ops/linear/linear.h"
#include "ops/norm/norm.h"
#include "pos/encoding.h"

namespace longhaul {

struct AttentionWeights {
  Norm norm;                           // of the input
  Linear qkv;                          // [(H + 2 G) D, C]: queries of all heads, then keys, then values
  std::optional<Norm> q_norm, k_norm;  // before the rotation: of each head (weight [D]), or of all of them together
                                       // (weight [H D], [G D])
  Linear out;                          // [C, H D]
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  int64_t window = 0;           // as AttentionOptions
  double soft_cap = 0;          // as AttentionOptions
  std::optional<double> scale;  // of q.k; none: the encoding's
  double clip = 0;              // queries, keys and values are brought into [-clip, clip]; 0: they are not (MPT)
};

// x [T, C] -> [T, C], to be added to the residual stream.
Tensor attention_block(const Tensor& x, const AttentionWeights& weights, const Encoding& encoding, int64_t layer,
                       const Pass& pass, ComputeType compute);

}  // namespace longhaul
