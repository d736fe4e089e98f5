// The activations and their derivatives.
#include "ops/linear/activation.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/threshold_backward.h>

#include "base/error.h"

namespace longhaul {

Tensor activate_forward(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::gelu_tanh: return at::gelu(x, "tanh");
    case Activation::gelu: return at::gelu(x);
    case Activation::relu: return at::relu(x);
    case Activation::silu: return at::silu(x);
  }
  fail("activate: no activation number ", static_cast<int>(activation));
}

Tensor activate_backward(const Tensor& grad, const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::gelu_tanh: return at::gelu_backward(grad, x, "tanh");
    case Activation::gelu: return at::gelu_backward(grad, x);
    case Activation::relu: return at::threshold_backward(grad, x, 0);
    case Activation::silu: return at::silu_backward(grad, x);
  }
  fail("activate: no activation number ", static_cast<int>(activation));
}

}  // namespace longhaul
