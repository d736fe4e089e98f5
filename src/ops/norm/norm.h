// Normalisations over the last dimension. Statistics in f32 (double for double).
#pragma once
#include "ops/tensor.h"

namespace longhaul {

enum class NormKind { layer, rms, none /* x as it is */ };

struct Norm {
  NormKind kind = NormKind::layer;
  Tensor weight;  // [C] or undefined (1)
  Tensor bias;    // [C] or undefined (0); layer only
  double eps = 1e-5;
  double offset = 0;  // added to the weight before it multiplies (Gemma stores weight - 1)
};

// x [T, C] -> [T, C]; differentiable in x, weight and bias. Saves x and recomputes the rest in backward.
Tensor normalize(const Tensor& x, const Norm& norm);

}  // namespace longhaul
