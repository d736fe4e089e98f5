// Attention for encodings that read the logits (CoPE, DAPE): someone rewrites them before the softmax. By blocks of rows, so
// memory is O(T) forward and backward; every block is computed again in backward.
#pragma once
#include <functional>
#include <vector>

#include "ops/attention/attention.h"

namespace longhaul {

// Queries [r0, r1) of sequence b and its first K keys, all that these queries may see.
struct LogitBlock {
  Tensor logits;  // [H, R, K] the call's scaled (and capped) q.k
  Tensor bias;    // [H, R, K], undefined when the call has none; not yet added
  Tensor q;       // [H, R, D]
  Tensor hidden;  // [R, K] bool: keys a row may not see. What the rewritten logits hold there does not matter
  int64_t b = 0, r0 = 0, r1 = 0;
  int64_t i0 = 0;  // index of query r0 in its whole sequence: row r sees keys 0 .. i0 + r
};

struct LogitRewrite {
  std::vector<Tensor> inputs;  // all tensors that `apply` differentiates through: it must use them and no captured ones
  std::function<Tensor(const LogitBlock& block, const std::vector<Tensor>& inputs)> apply;  // -> [H, R, K]
  int64_t channels = 1;  // numbers per pair and head that `apply` keeps, about: decides the size of a block
};

// As attention(), for causal calls without a window. Gradients: q, k, v, every tensor of the bias and of rewrite.inputs.
Tensor rewritten_attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpans& spans,
                           const Bias& bias, const AttentionOptions& options, const LogitRewrite& rewrite);

}  // namespace longhaul
