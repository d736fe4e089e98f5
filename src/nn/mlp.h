// The feed-forward halves of a layer: two matrices, three with a gate, and a mixture of gated experts.
#pragma once
#include <cstdint>

#include "ops/linear/linear.h"
#include "ops/norm/norm.h"

namespace longhaul {

// down(activation(up x))
struct Mlp {
  Linear up, down;
  Activation activation = Activation::gelu_tanh;
};
Tensor mlp(const Tensor& x, const Norm& norm, const Mlp& weights, ComputeType compute);

// down(activation(gate x) * up x) (Shazeer 2020, arXiv 2002.05202)
struct GatedMlp {
  Linear gate_up;  // [2 F, C]: gate's rows, then up's
  Linear down;     // [C, F]
  Activation activation = Activation::silu;
};
Tensor gated_mlp(const Tensor& x, const Norm& norm, const GatedMlp& weights, ComputeType compute);
Tensor gated_mlp(const Tensor& x, const GatedMlp& weights, ComputeType compute);  // x as it is

// Gated experts, each token through the few that a router gives the largest share of a softmax over all (Jiang et al. 2024,
// arXiv 2401.04088).
struct Experts {
  Linear router;          // [E, C]
  Tensor gate_up;         // [E, 2 F, C], plain or packed
  Tensor down;            // [E, C, F], plain or packed
  int64_t chosen = 2;     // of each token
  bool normalize = true;  // the chosen shares are made to sum to 1
  Activation activation = Activation::silu;
};
// x [T, C] normalised -> [T, C]. Shares in f32 (double for double); a token's sum runs over its experts by number.
Tensor mixture(const Tensor& x, const Experts& weights, ComputeType compute);

}  // namespace longhaul
