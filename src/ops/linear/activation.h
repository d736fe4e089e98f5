// Activations without autograd: what linear.cpp calls.
#pragma once
#include <cstdint>

#include "ops/linear/linear.h"
#include "ops/tensor.h"

namespace longhaul {

// Of x's shape and dtype.
Tensor activate_forward(const Tensor& x, Activation activation);

// Fills dx from grad, the gradient of activate(x); dx may be grad. Returns activate(x) if `value`, else an undefined tensor:
// both come from one exponential.
Tensor activate_backward(const Tensor& dx, const Tensor& grad, const Tensor& x, Activation activation, bool value);

// both [T, 2 F] -> activate(its first F columns) * its last F.
Tensor gate_forward(const Tensor& both, Activation activation);

// The same on the CPU, f32, gelu_tanh and silu only.
void gate_cpu(Activation activation, int64_t rows, int64_t hidden, const float* both, float* y);

// The CPU's pass over f32 numbers, gelu_tanh and silu only: y = activate(x) unless y is null, dx = grad times the slope unless
// dx is null. dx may be grad.
void activate_cpu(Activation activation, int64_t count, const float* x, float* y, const float* grad, float* dx);

}  // namespace longhaul
