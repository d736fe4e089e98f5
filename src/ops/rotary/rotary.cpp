// Checks, dispatch and gradient of the rotation.
#include "ops/rotary/rotary.h"

#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "ops/rotary/rotary_kernels.h"

namespace longhaul {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

struct RotaryFunction : torch::autograd::Function<RotaryFunction> {
  static Tensor forward(AutogradContext* context, Tensor x, const Tensor& cos, const Tensor& sin, RotaryLayout layout,
                        int64_t heads, int64_t head_dim) {
    context->mark_dirty({x});
    context->save_for_backward({cos, sin});
    context->saved_data["layout"] = static_cast<int64_t>(layout);
    context->saved_data["heads"] = heads;
    context->saved_data["head_dim"] = head_dim;
    rotate(x, heads, head_dim, {cos, sin, layout}, /*inverse=*/false);
    return x;
  }

  // A rotation is orthogonal: its gradient is the inverse rotation.
  static tensor_list backward(AutogradContext* context, tensor_list grads) {
    const auto saved = context->get_saved_variables();
    const Rotation rotation{saved[0], saved[1], static_cast<RotaryLayout>(context->saved_data["layout"].toInt())};
    Tensor grad = grads[0].clone(at::MemoryFormat::Contiguous);  // autograd may share the one that it passes
    rotate(grad, context->saved_data["heads"].toInt(), context->saved_data["head_dim"].toInt(), rotation, true);
    return {grad, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor rotate_heads_(Tensor x, int64_t heads, int64_t head_dim, const Rotation& rotation) {
  check(x.dim() == 2 && x.is_floating_point(), "rotary: x must be floating [T, W], got ", Shown{x});
  check(heads >= 0 && head_dim >= 1 && heads * head_dim <= x.size(1), "rotary: ", heads, " heads of ", head_dim,
        " columns do not fit into x ", Shown{x});
  if (!rotation.cos.defined() && !rotation.sin.defined()) return x;
  for (const Tensor* table : {&rotation.cos, &rotation.sin}) {
    check(table->defined() && table->dim() == 2 && table->size(0) == x.size(0) && 2 * table->size(1) <= head_dim &&
              table->sizes() == rotation.cos.sizes(),
          "rotary: cos and sin must be [T, R/2] with T = ", x.size(0), " and R <= D = ", head_dim, ", got ",
          Shown{*table});
    check(table->scalar_type() == x.scalar_type(), "rotary: cos and sin must have x's dtype ", x.scalar_type(),
          ", got ", table->scalar_type());
  }
  return RotaryFunction::apply(x, rotation.cos, rotation.sin, rotation.layout, heads, head_dim);
}

}  // namespace longhaul
