// The activations and their derivatives: our own pass where ATen's leaves time on the table, ATen's elsewhere.
// Measured on one Zen 4 core, [512, 3072] f32, in memory's time of 0.16 ms: gelu_tanh 2.6 ms and its gradient 2.8 in ATen.
#include "ops/linear/activation.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/threshold_backward.h>

#include "base/error.h"

namespace longhaul {
namespace {

bool fast(const Tensor& x, Activation activation) {
  return (activation == Activation::gelu_tanh || activation == Activation::silu) && x.is_cpu() &&
         x.scalar_type() == at::kFloat && x.is_contiguous();
}

}  // namespace

Tensor activate_forward(const Tensor& x, Activation activation) {
  if (fast(x, activation)) {
    Tensor y = at::empty_like(x);
    activate_cpu(activation, x.numel(), x.const_data_ptr<float>(), y.mutable_data_ptr<float>(), nullptr, nullptr);
    return y;
  }
  switch (activation) {
    case Activation::gelu_tanh: return at::gelu(x, "tanh");
    case Activation::gelu: return at::gelu(x);
    case Activation::relu: return at::relu(x);
    case Activation::silu: return at::silu(x);
  }
  fail("activate: no activation number ", static_cast<int>(activation));
}

Tensor activate_backward(const Tensor& dx, const Tensor& grad, const Tensor& x, Activation activation, bool value) {
  if (fast(x, activation) && fast(grad, activation) && fast(dx, activation)) {
    Tensor y = value ? at::empty_like(x) : Tensor();
    activate_cpu(activation, x.numel(), x.const_data_ptr<float>(), value ? y.mutable_data_ptr<float>() : nullptr,
                 grad.const_data_ptr<float>(), dx.mutable_data_ptr<float>());
    return y;
  }
  switch (activation) {
    case Activation::gelu_tanh: dx.copy_(at::gelu_backward(grad, x, "tanh")); break;
    case Activation::gelu: dx.copy_(at::gelu_backward(grad, x)); break;
    case Activation::relu: dx.copy_(at::threshold_backward(grad, x, 0)); break;
    case Activation::silu: dx.copy_(at::silu_backward(grad, x)); break;
  }
  return value ? activate_forward(x, activation) : Tensor();
}

}  // namespace longhaul
