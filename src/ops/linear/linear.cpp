// Checks and gradients of the matrix products and of what is fused in front of them.
#include "ops/linear/linear.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "ops/in_type.h"
#include "ops/linear/activation.h"
#include "ops/linear/packed_weight.h"
#include "ops/linear/product.h"
#include "ops/norm/norm_kernels.h"
#include "ops/optional.h"

namespace longhaul {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

// What happens to x before it is multiplied; computed again in backward.
enum class Prologue : int64_t { none, norm, activation };

// The plain values of a call, in a form that autograd can keep.
struct Plan {
  Prologue prologue;
  ComputeType compute;
  Activation activation = Activation::relu;
  NormKind norm_kind = NormKind::layer;
  double eps = 0;

  void save(AutogradContext* context) const {
    context->saved_data["plan"] =
        std::vector<int64_t>{static_cast<int64_t>(prologue), static_cast<int64_t>(compute),
                             static_cast<int64_t>(activation), static_cast<int64_t>(norm_kind)};
    context->saved_data["eps"] = eps;
  }
  static Plan load(AutogradContext* context) {
    const auto numbers = context->saved_data["plan"].toIntVector();
    return {static_cast<Prologue>(numbers[0]), static_cast<ComputeType>(numbers[1]),
            static_cast<Activation>(numbers[2]), static_cast<NormKind>(numbers[3]),
            context->saved_data["eps"].toDouble()};
  }
};

bool wanted(const Tensor& tensor) { return tensor.defined() && tensor.requires_grad(); }
void accumulate(Tensor& sum, const Tensor& share) { sum = sum.defined() && share.defined() ? sum.add_(share) : share; }

// Rows that go through prologue and product together: what lies between them stays small, whatever T is.
int64_t block_rows(const Plan& plan, const Tensor& x) {
  constexpr int64_t kBlockBytes = 8 << 20, kFewestRows = 512;  // products of fewer rows are slower
  if (plan.prologue == Prologue::none) return std::max<int64_t>(x.size(0), 1);
  return std::max(kFewestRows, kBlockBytes / (x.size(1) * x.element_size()));
}

// prologue(x) weight^T + bias, without gradients.
Tensor affine_rows(const Tensor& x, const Tensor& weight, const Tensor& bias, const Norm& norm, const Plan& plan) {
  const at::ScalarType type = product_type(x, plan.compute), sums = type == at::kDouble ? at::kDouble : at::kFloat;
  const Tensor factor = operand(weight, type), y = at::empty({x.size(0), weight.size(0)}, x.options().dtype(sums));
  const int64_t rows = x.size(0), block = block_rows(plan, x);
  for (int64_t begin = 0; begin < rows; begin += block) {
    const auto part = [&](const Tensor& of) {  // a step of decoding is short enough for a view's time to show
      return rows <= block ? of : of.narrow(0, begin, std::min(block, rows - begin));
    };
    Tensor input = part(x);
    if (plan.prologue == Prologue::norm) input = normalize_forward(input, norm);
    if (plan.prologue == Prologue::activation) input = activate_forward(input, plan.activation);
    affine_into(part(y), operand(input, type), factor, bias);
  }
  return in_type(y, x.scalar_type());
}

// x, weight, optional bias, optional norm weight, optional norm bias -> prologue(x) weight^T + bias.
struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const std::optional<Tensor>& bias, const std::optional<Tensor>& norm_weight,
                        const std::optional<Tensor>& norm_bias, const Plan& plan) {
    const Norm norm{plan.norm_kind, norm_weight.value_or(Tensor()), norm_bias.value_or(Tensor()), plan.eps};
    context->save_for_backward({x, weight, bias.value_or(Tensor()), norm.weight, norm.bias});
    plan.save(context);
    return affine_rows(x, weight, bias.value_or(Tensor()), norm, plan);
  }

  static tensor_list backward(AutogradContext* context, tensor_list grads) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &bias = saved[2];
    const Plan plan = Plan::load(context);
    const Norm norm{plan.norm_kind, saved[3], saved[4], plan.eps};
    const at::ScalarType type = product_type(x, plan.compute), sums = type == at::kDouble ? at::kDouble : at::kFloat;
    const bool norm_wanted = wanted(norm.weight) || wanted(norm.bias), input_wanted = x.requires_grad() || norm_wanted;
    tensor_list out(6);
    if (input_wanted) out[0] = at::empty(x.sizes(), x.options().dtype(sums));
    if (wanted(weight)) {
      out[1] = at::empty(weight.sizes(), x.options().dtype(sums));
      if (x.size(0) == 0) out[1].zero_();  // otherwise the first block's product fills it
    }
    if (wanted(bias)) out[2] = grads[0].sum(0).to(bias.scalar_type());
    const Tensor factor = input_wanted ? operand(weight, type) : Tensor();
    for (int64_t begin = 0, block = block_rows(plan, x); begin < x.size(0); begin += block) {
      const int64_t count = std::min(block, x.size(0) - begin);
      const Tensor grad = operand(grads[0].narrow(0, begin, count), type);
      Tensor input = x.narrow(0, begin, count), inner;
      if (input_wanted) product_into(inner = out[0].narrow(0, begin, count), grad, factor);
      if (plan.prologue == Prologue::activation) {
        input = input_wanted ? activate_backward(inner, inner, input, plan.activation, wanted(weight))
                             : activate_forward(input, plan.activation);
      } else if (plan.prologue == Prologue::norm) {
        const Tensor normal = wanted(weight) ? normalize_forward(input, norm) : Tensor();
        if (input_wanted) {
          const NormGradients gradients = normalize_backward(inner, inner, input, norm, norm_wanted);
          accumulate(out[3], gradients.weight);
          accumulate(out[4], gradients.bias);
        }
        input = normal;
      }
      if (wanted(weight)) product_into(out[1], grad.t(), operand(input, type), begin == 0 ? 0 : 1);
    }
    return out;
  }
};

struct ActivationFunction : torch::autograd::Function<ActivationFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, Activation activation) {
    context->save_for_backward({x});
    context->saved_data["activation"] = static_cast<int64_t>(activation);
    return activate_forward(x, activation);
  }
  static tensor_list backward(AutogradContext* context, tensor_list grads) {
    const auto activation = static_cast<Activation>(context->saved_data["activation"].toInt());
    const Tensor x = context->get_saved_variables()[0], dx = at::empty_like(x);
    activate_backward(dx, grads[0], x, activation, /*value=*/false);
    return {dx, Tensor()};
  }
};

Tensor apply(const char* op, const Tensor& x, const Linear& layer, const Norm& norm, const Plan& plan) {
  check(x.dim() == 2 && x.is_floating_point(), op, ": x must be floating [T, in], got ", Shown{x});
  check(layer.weight.defined() && layer.weight.dim() == 2 && layer.weight.size(1) == x.size(1), op,
        ": weight must be [out, in] with in = ", x.size(1), ", got ", Shown{layer.weight});
  check(!layer.bias.defined() || (layer.bias.dim() == 1 && layer.bias.size(0) == layer.weight.size(0)), op,
        ": bias must be [out] = [", layer.weight.size(0), "], got ", Shown{layer.bias});
  if (packed_matrix(layer.weight)) {
    check(!at::GradMode::is_enabled() || !x.requires_grad(), op, ": a packed weight has no gradients");
    return affine_rows(x, layer.weight, layer.bias, norm, plan);
  }
  return LinearFunction::apply(x, layer.weight, optional(layer.bias), optional(norm.weight), optional(norm.bias), plan);
}

}  // namespace

Tensor linear(const Tensor& x, const Linear& layer, ComputeType compute) {
  return apply("linear", x, layer, {}, {Prologue::none, compute});
}

Tensor norm_linear(const Tensor& x, const Norm& norm, const Linear& layer, ComputeType compute) {
  check_norm("norm_linear", x, norm);
  if (norm.kind == NormKind::none) return linear(x, layer, compute);
  if (norm.offset != 0) return norm_linear(x, without_offset(norm), layer, compute);
  return apply("norm_linear", x, layer, norm, {Prologue::norm, compute, {}, norm.kind, norm.eps});
}

Tensor activate(const Tensor& x, Activation activation) {
  check(x.is_floating_point(), "activate: x must be floating, got ", Shown{x});
  return ActivationFunction::apply(x, activation);
}

Tensor gate(const Tensor& both, Activation activation) {
  check(both.dim() == 2 && both.is_floating_point() && both.size(1) % 2 == 0, "gate: wanted floating [T, 2 F], got ",
        Shown{both});
  if (!at::GradMode::is_enabled() || !both.requires_grad()) return gate_forward(both, activation);
  const int64_t hidden = both.size(1) / 2;
  return activate(both.narrow(1, 0, hidden), activation) * both.narrow(1, hidden, hidden);
}

Tensor activation_linear(const Tensor& x, Activation activation, const Linear& layer, ComputeType compute) {
  return apply("activation_linear", x, layer, {}, {Prologue::activation, compute, activation});
}

}  // namespace longhaul
