// Checks and gradients of the matrix products and of what is fused in front of them.
#include "ops/linear/linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include <ATen/ops/sum.h>

#include "base/error.h"
#include "ops/linear/activation.h"
#include "ops/linear/product.h"
#include "ops/norm/norm_kernels.h"

namespace longhaul {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

// What happens to x before it is multiplied; computed again in backward.
struct Prologue {
  enum class Kind { none, norm, activation } kind = Kind::none;
  Norm norm;
  Activation activation = Activation::relu;

  Tensor forward(const Tensor& x) const {
    if (kind == Kind::norm) return normalize_forward(x, norm);
    return kind == Kind::activation ? activate_forward(x, activation) : x;
  }
};

// The plain values of a Prologue and a Linear, in a form that autograd can keep.
struct Plan {
  Prologue::Kind kind;
  NormKind norm_kind;
  double eps;
  Activation activation;
  ComputeType compute;

  void save(AutogradContext* context) const {
    context->saved_data["plan"] = std::vector<int64_t>{static_cast<int64_t>(kind), static_cast<int64_t>(norm_kind),
                                                       static_cast<int64_t>(activation), static_cast<int64_t>(compute)};
    context->saved_data["eps"] = eps;
  }
  static Plan load(AutogradContext* context) {
    const auto numbers = context->saved_data["plan"].toIntVector();
    return {static_cast<Prologue::Kind>(numbers[0]), static_cast<NormKind>(numbers[1]),
            context->saved_data["eps"].toDouble(), static_cast<Activation>(numbers[2]),
            static_cast<ComputeType>(numbers[3])};
  }
  Prologue prologue(const Tensor& norm_weight, const Tensor& norm_bias) const {
    return {kind, {norm_kind, norm_weight, norm_bias, eps}, activation};
  }
};

bool wanted(const Tensor& tensor) { return tensor.defined() && tensor.requires_grad(); }
std::optional<Tensor> optional(const Tensor& tensor) { return tensor.defined() ? std::optional(tensor) : std::nullopt; }

// x, weight, optional bias, optional norm weight, optional norm bias -> prologue(x) weight^T + bias.
struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const std::optional<Tensor>& bias, const std::optional<Tensor>& norm_weight,
                        const std::optional<Tensor>& norm_bias, const Plan& plan) {
    const Prologue prologue = plan.prologue(norm_weight.value_or(Tensor()), norm_bias.value_or(Tensor()));
    context->save_for_backward({x, weight, bias.value_or(Tensor()), prologue.norm.weight, prologue.norm.bias});
    plan.save(context);
    const at::ScalarType type = product_type(x, plan.compute);
    Tensor y = product(prologue.forward(x).to(type), weight.to(type).t());
    if (bias) y.add_(*bias);
    return y.to(x.scalar_type());
  }

  static tensor_list backward(AutogradContext* context, tensor_list grads) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &bias = saved[2];
    const Plan plan = Plan::load(context);
    const Prologue prologue = plan.prologue(saved[3], saved[4]);
    const at::ScalarType type = product_type(x, plan.compute);
    const Tensor grad = grads[0].to(type);
    tensor_list out(6);
    if (wanted(weight)) {
      out[1] = product(grad.t(), prologue.forward(x).to(type)).to(weight.scalar_type());
    }
    if (wanted(bias)) out[2] = grads[0].sum(0).to(bias.scalar_type());
    const bool norm_wanted = wanted(saved[3]) || wanted(saved[4]);
    if (!x.requires_grad() && !norm_wanted) return out;
    const Tensor inner = product(grad, weight.to(type)).to(x.scalar_type());
    if (plan.kind == Prologue::Kind::norm) {
      const NormGradients gradients = normalize_backward(inner, x, prologue.norm, norm_wanted);
      out[0] = gradients.x, out[3] = gradients.weight, out[4] = gradients.bias;
    } else {
      out[0] = plan.kind == Prologue::Kind::activation ? activate_backward(inner, x, plan.activation) : inner;
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
    return {activate_backward(grads[0], context->get_saved_variables()[0], activation), Tensor()};
  }
};

Tensor apply(const char* op, const Tensor& x, const Linear& layer, const Norm& norm, const Plan& plan) {
  check(x.dim() == 2 && x.is_floating_point(), op, ": x must be floating [T, in], got ", Shown{x});
  check(layer.weight.defined() && layer.weight.dim() == 2 && layer.weight.size(1) == x.size(1), op,
        ": weight must be [out, in] with in = ", x.size(1), ", got ",
        Shown{layer.weight});
  check(!layer.bias.defined() || (layer.bias.dim() == 1 && layer.bias.size(0) == layer.weight.size(0)), op,
        ": bias must be [out] = [", layer.weight.size(0), "], got ", Shown{layer.bias});
  return LinearFunction::apply(x, layer.weight, optional(layer.bias), optional(norm.weight), optional(norm.bias), plan);
}

}  // namespace

Tensor linear(const Tensor& x, const Linear& layer, ComputeType compute) {
  return apply("linear", x, layer, {}, {Prologue::Kind::none, {}, 0, {}, compute});
}

Tensor norm_linear(const Tensor& x, const Norm& norm, const Linear& layer, ComputeType compute) {
  check_norm("norm_linear", x, norm);
  return apply("norm_linear", x, layer, norm, {Prologue::Kind::norm, norm.kind, norm.eps, {}, compute});
}

Tensor activate(const Tensor& x, Activation activation) {
  check(x.is_floating_point(), "activate: x must be floating, got ", Shown{x});
  return ActivationFunction::apply(x, activation);
}

Tensor activation_linear(const Tensor& x, Activation activation, const Linear& layer, ComputeType compute) {
  return apply("activation_linear", x, layer, {}, {Prologue::Kind::activation, {}, 0, activation, compute});
}

}  // namespace longhaul
