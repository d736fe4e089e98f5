// Matrix products in the type they are computed in, without autograd.
#pragma once
#include "ops/linear/linear.h"
#include "ops/tensor.h"

namespace longhaul {

// The type that the operands of a product with x are rounded to.
at::ScalarType product_type(const Tensor& x, ComputeType compute);

// x rounded to `type` and held in the type that this machine multiplies: bf16 numbers are held as f32 where the hardware has no
// bf16 product. The functions below take operands of this kind, both of one type. A packed weight is as it was packed.
Tensor operand(const Tensor& x, at::ScalarType type);

// out [M, N] = beta out + a [M, K] b [K, N]; out is f32, or double for double operands. beta 0 ignores what is in out.
void product_into(const Tensor& out, const Tensor& a, const Tensor& b, double beta = 0);

// out [T, out] = x [T, in] weight^T + bias; weight [out, in], plain or packed (packed_weight.h), bias [out] or undefined.
void affine_into(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace longhaul
