// Activations without autograd: what linear.cpp calls.
#pragma once
#include "ops/linear/linear.h"
#include "ops/tensor.h"

namespace longhaul {

Tensor activate_forward(const Tensor& x, Activation activation);
// The gradient of x from that of activate(x).
Tensor activate_backward(const Tensor& grad, const Tensor& x, Activation activation);

}  // namespace longhaul
