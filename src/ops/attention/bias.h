// All that a positional encoding may ask of attention: a closed set, matched by std::visit in attention.cpp.
// i is the query's index in its whole sequence, j the key's. (Here and not in pos/: ops may not include pos.)
#pragma once
#include <functional>
#include <variant>
#include <vector>

#include "ops/tensor.h"

namespace longhaul {

// table[h, min(i - j, Lmax - 1)]; causal calls only. T5, Kerple. table [H, Lmax], differentiable.
struct DistanceBias {
  Tensor table;
};

// g_i (s_i - s_j), for j > i (non-causal calls) -g_i |s_i - s_j|. Cable, ALiBi, forget gates. specs/cable.md 1.1, 1.5.
// g [T, H] in the logits' dtype, undefined means 1; s [S, H] double over the keys, differences are taken before rounding.
// Both differentiable; the gradient of s is double.
struct SeparableBias {
  Tensor g, s;
};

// g_i k(s_i - s_j). K-Cable.
enum class KernelFn { neg_log1p_square };  // k(u) = -ln(1 + u^2)
struct SeparableKernel {
  Tensor g, s;
  KernelFn kernel = KernelFn::neg_log1p_square;
};

// rows(inputs, b, i0, i1, keys) -> [H, i1 - i0, keys] on demand, recomputed in backward; never T x T. FIRE.
// `inputs` are all tensors that `rows` differentiates through: it must use them and no captured ones.
// Rows are indices into the call's queries of sequence b; columns are its first `keys` keys, all that these rows may see.
using BiasRows =
    std::function<Tensor(const std::vector<Tensor>& inputs, int64_t b, int64_t i0, int64_t i1, int64_t keys)>;
struct RowBlockBias {
  std::vector<Tensor> inputs;
  BiasRows rows;
};

using Bias = std::variant<std::monostate, DistanceBias, SeparableBias, SeparableKernel, RowBlockBias>;

}  // namespace longhaul
