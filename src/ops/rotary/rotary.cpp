// Checks, dispatch and gradient of the rotation.
#include "ops/rotary/rotary.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "ops/rotary/rotary_kernels.h"

namespace longhaul {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

// What `to` holds of the rotated pairs, as [T, heads, R/2] views of the first and the second numbers.
struct Pairs {
  Tensor first, second;
};

Pairs pairs_of(const Tensor& x, int64_t heads, int64_t head_dim, const Rotation& rotation) {
  const int64_t half = rotation.cos.size(1);
  const Tensor view = x.narrow(1, 0, heads * head_dim).unflatten(1, {heads, head_dim}).narrow(2, 0, 2 * half);
  const bool interleaved = rotation.layout == RotaryLayout::interleaved;
  const Tensor pairs = view.unflatten(2, interleaved ? at::IntArrayRef({half, 2}) : at::IntArrayRef({2, half}));
  const int64_t axis = interleaved ? 3 : 2;
  return {pairs.select(axis, 0), pairs.select(axis, 1)};
}

// The gradients of cos and sin, given the rotated x and its gradient: (a, b) were x turned back.
std::pair<Tensor, Tensor> table_gradients(const Tensor& turned, const Tensor& grad, int64_t heads, int64_t head_dim,
                                          const Rotation& rotation) {
  const Tensor cos = rotation.cos.unsqueeze(1), sin = rotation.sin.unsqueeze(1), size = cos.square() + sin.square();
  const Pairs y = pairs_of(turned, heads, head_dim, rotation), g = pairs_of(grad, heads, head_dim, rotation);
  const Tensor a = (y.first * cos + y.second * sin) / size, b = (y.second * cos - y.first * sin) / size;
  return {(g.first * a + g.second * b).sum(1), (g.second * a - g.first * b).sum(1)};
}

struct RotaryFunction : torch::autograd::Function<RotaryFunction> {
  static Tensor forward(AutogradContext* context, Tensor x, const Tensor& cos, const Tensor& sin, RotaryLayout layout,
                        int64_t heads, int64_t head_dim) {
    context->mark_dirty({x});
    context->saved_data["layout"] = static_cast<int64_t>(layout);
    context->saved_data["heads"] = heads;
    context->saved_data["head_dim"] = head_dim;
    rotate(x, x, heads, head_dim, {cos, sin, layout}, /*inverse=*/false);
    std::vector<Tensor> saved = {cos, sin};
    if (cos.requires_grad() || sin.requires_grad()) saved.push_back(x);
    context->save_for_backward(saved);
    return x;
  }

  // A rotation is orthogonal: its gradient is the inverse rotation (its transpose, where the tables have a factor).
  static tensor_list backward(AutogradContext* context, tensor_list grads) {
    const auto saved = context->get_saved_variables();
    const Rotation rotation{saved[0], saved[1], static_cast<RotaryLayout>(context->saved_data["layout"].toInt())};
    Tensor grad =
        at::empty(grads[0].sizes(), grads[0].options());  // not in place: autograd may share the one that it passes
    rotate(grad, grads[0], context->saved_data["heads"].toInt(), context->saved_data["head_dim"].toInt(), rotation,
           true);
    if (saved.size() == 2) return {grad, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
    const auto [cos, sin] = table_gradients(saved[2], grads[0], context->saved_data["heads"].toInt(),
                                            context->saved_data["head_dim"].toInt(), rotation);
    return {grad, cos, sin, Tensor(), Tensor(), Tensor()};
  }
};

bool fast(const Tensor& tensor) {
  return tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.stride(1) == 1;
}

}  // namespace

void rotate_aten(const Tensor& to, const Tensor& from, int64_t heads, int64_t head_dim, const Rotation& rotation,
                 bool inverse) {
  if (!to.is_same(from)) to.copy_(from);
  const Tensor cos = rotation.cos.unsqueeze(1), sin = inverse ? -rotation.sin.unsqueeze(1) : rotation.sin.unsqueeze(1);
  const auto [first, second] = pairs_of(to, heads, head_dim, rotation);
  const Tensor turned = first * cos - second * sin;
  second.copy_(first * sin + second * cos);
  first.copy_(turned);
}

void rotate(const Tensor& to, const Tensor& from, int64_t heads, int64_t head_dim, const Rotation& rotation,
            bool inverse) {
  const Tensor &cos = rotation.cos, &sin = rotation.sin;
  if (!fast(to) || !fast(from) || !fast(cos) || !fast(sin))
    return rotate_aten(to, from, heads, head_dim, rotation, inverse);
  rotate_cpu({to.mutable_data_ptr<float>(), to.stride(0), from.const_data_ptr<float>(), from.stride(0), to.size(0),
              to.size(1), heads, head_dim, cos.const_data_ptr<float>(), sin.const_data_ptr<float>(), cos.stride(0),
              sin.stride(0), cos.size(1), rotation.layout == RotaryLayout::interleaved, inverse});
}

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
  if (!at::GradMode::is_enabled()) {
    rotate(x, x, heads, head_dim, rotation, /*inverse=*/false);
    return x;
  }
  return RotaryFunction::apply(x, rotation.cos, rotation.sin, rotation.layout, heads, head_dim);
}

}  // namespace longhaul
