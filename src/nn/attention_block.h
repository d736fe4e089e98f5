// Self-attention as most transformers write it: norm, fused qkv, rotation, attention with the encoding's bias, projection.
#pragma once
#include <cstdint>

#include "nn/model.h"
#include "ops/linear/linear.h"
#include "ops/norm/norm.h"
#include "pos/encoding.h"

namespace longhaul {

struct AttentionWeights {
  Norm norm;
  Linear qkv;  // [(H + 2 G) D, C]: queries of all heads, then keys, then values
  Linear out;  // [C, H D]
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
};

// x [T, C] -> [T, C], to be added to the residual stream.
Tensor attention_block(const Tensor& x, const AttentionWeights& weights, const Encoding& encoding, int64_t layer,
                       const Pass& pass, ComputeType compute);

}  // namespace longhaul
