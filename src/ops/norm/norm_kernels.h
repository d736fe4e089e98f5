// Normalisation without autograd: what norm.cpp and the layers that fuse a norm with a product call.
#pragma once
#include <cstdint>

#include "ops/norm/norm.h"
#include "ops/tensor.h"

namespace longhaul {

// Error unless x is a floating [T, C], C >= 1, and the parameters are [C]; `op` begins the message.
void check_norm(const char* op, const Tensor& x, const Norm& norm);

// The same norm with its offset inside the weight.
Norm without_offset(const Norm& norm);

// Below, a norm is layer or rms and has no offset. [T, C] in x's dtype.
Tensor normalize_forward(const Tensor& x, const Norm& norm);

struct NormGradients {
  Tensor weight, bias;  // undefined if not asked for, and of parameters that do not exist
};

// Fills dx from the gradient of the output; dx may be that gradient. The statistics are computed again from x.
NormGradients normalize_backward(const Tensor& dx, const Tensor& grad, const Tensor& x, const Norm& norm,
                                 bool parameters_wanted);

// The same as ATen operations: double and bf16, and devices other than the CPU.
Tensor normalize_forward_aten(const Tensor& x, const Norm& norm);
NormGradients normalize_backward_aten(const Tensor& dx, const Tensor& grad, const Tensor& x, const Norm& norm,
                                      bool parameters_wanted);

// What the CPU's f32 passes work on. Rows of x, dy and dx are their stride apart, those of y are dense.
struct NormTask {
  bool layer;
  float eps;
  int64_t rows, width;
  const float* x;
  int64_t x_stride;
  const float *weight, *bias;  // or null
  float* y = nullptr;          // forward
  const float* dy = nullptr;   // backward
  int64_t dy_stride = 0;
  float* dx = nullptr;  // may be dy
  int64_t dx_stride = 0;
};
void normalize_cpu(const NormTask& task);
// dweight, dbias [C], or null, are added to.
void normalize_backward_cpu(const NormTask& task, float* dweight, float* dbias);

}  // namespace longhaul
