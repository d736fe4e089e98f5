// Matrix products in the type they are computed in, without autograd.
#pragma once
#include "ops/linear/linear.h"
#include "ops/tensor.h"

namespace longhaul {

// The type the operands of a product with x are rounded to.
at::ScalarType product_type(const Tensor& x, ComputeType compute);

// a [M, K] b [K, N] -> [M, N], both of the same type. bf16 operands: the sums are f32 and so is the result.
Tensor product(const Tensor& a, const Tensor& b);

// out [M, N] = beta out + alpha a b; out is of the type product() returns. beta 0 ignores what is in out.
void product_into(const Tensor& out, const Tensor& a, const Tensor& b, double alpha = 1, double beta = 0);

}  // namespace longhaul
