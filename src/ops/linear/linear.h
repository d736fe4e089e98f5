// Matrix products with little saved for backward.
#pragma once
#include "ops/norm/norm.h"
#include "ops/tensor.h"

namespace longhaul {

enum class ComputeType { f32, bf16 };  // what products are taken in; sums are f32. Double tensors multiply in double.

struct Linear {
  Tensor weight;  // [out, in], plain or packed (packed_weight.h: forward only)
  Tensor bias;    // [out] or undefined
};

// x [T, in] -> [T, out]. bf16: operands are rounded to bf16 and, where the hardware has no bf16 product, multiplied in f32.
Tensor linear(const Tensor& x, const Linear& layer, ComputeType compute = ComputeType::f32);

// linear(normalize(x)): saves x, not the normalised copy.
Tensor norm_linear(const Tensor& x, const Norm& norm, const Linear& layer, ComputeType compute = ComputeType::f32);

enum class Activation { gelu_tanh, gelu, relu, silu };
Tensor activate(const Tensor& x, Activation activation);
// linear(activate(x)): saves x, recomputes the activation in backward.
Tensor activation_linear(const Tensor& x, Activation activation, const Linear& layer,
                         ComputeType compute = ComputeType::f32);

// both [T, 2 F] -> activate(its first F columns) * its last F (Shazeer 2020, arXiv 2002.05202).
Tensor gate(const Tensor& both, Activation activation);

}  // namespace longhaul
