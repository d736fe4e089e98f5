// Normalisation without autograd: what norm.cpp and the layers that fuse a norm with a product call.
#pragma once
#include "ops/norm/norm.h"
#include "ops/tensor.h"

namespace longhaul {

// Error unless x is a floating [T, C], C >= 1, and the parameters are [C]; `op` begins the message.
void check_norm(const char* op, const Tensor& x, const Norm& norm);

// [T, C] in x's dtype.
Tensor normalize_forward(const Tensor& x, const Norm& norm);

struct NormGradients {
  Tensor x, weight, bias;  // those not asked for, or of parameters that do not exist, are undefined
};

// From the gradient of the output; the statistics are computed again from x.
NormGradients normalize_backward(const Tensor& grad, const Tensor& x, const Norm& norm, bool parameters_wanted);

}  // namespace longhaul
