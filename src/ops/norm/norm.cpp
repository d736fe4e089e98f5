// Checks, dispatch and gradient of the normalisations.
#include "ops/norm/norm.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "ops/norm/norm_kernels.h"
#include "ops/optional.h"

namespace longhaul {
namespace {

struct Normalized {
  Tensor x;      // (x - mean) / deviation, in the dtype of the sums
  Tensor scale;  // [T, 1] 1 / deviation
};

Normalized standardize(const Tensor& x, const Norm& norm) {
  Tensor wide = x.to(x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  if (norm.kind == NormKind::layer) wide = wide - wide.mean(-1, true);
  const Tensor scale = (wide.square().mean(-1, true) + norm.eps).rsqrt();
  return {wide * scale, scale};
}

// x, optional weight, optional bias -> y.
struct NormFunction : torch::autograd::Function<NormFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const std::optional<Tensor>& weight,
                        const std::optional<Tensor>& bias, NormKind kind, double eps) {
    const Norm norm{kind, weight.value_or(Tensor()), bias.value_or(Tensor()), eps};
    context->save_for_backward({x, norm.weight, norm.bias});
    context->saved_data["kind"] = static_cast<int64_t>(kind);
    context->saved_data["eps"] = eps;
    return normalize_forward(x, norm);
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               torch::autograd::tensor_list grads) {
    const auto saved = context->get_saved_variables();
    const Norm norm{static_cast<NormKind>(context->saved_data["kind"].toInt()), saved[1], saved[2],
                    context->saved_data["eps"].toDouble()};
    const bool parameters_wanted =
        (norm.weight.defined() && norm.weight.requires_grad()) || (norm.bias.defined() && norm.bias.requires_grad());
    const Tensor dx = at::empty(saved[0].sizes(), saved[0].options());
    const NormGradients out = normalize_backward(dx, grads[0], saved[0], norm, parameters_wanted);
    return {dx, out.weight, out.bias, Tensor(), Tensor()};
  }
};

bool fast(const Tensor& tensor) {
  return !tensor.defined() || (tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.stride(-1) == 1);
}

bool fast(const Tensor& x, const Norm& norm) { return fast(x) && fast(norm.weight) && fast(norm.bias); }

const float* data(const Tensor& tensor) { return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr; }

NormTask task_of(const Tensor& x, const Norm& norm) {
  return {norm.kind == NormKind::layer,
          static_cast<float>(norm.eps),
          x.size(0),
          x.size(1),
          data(x),
          x.stride(0),
          data(norm.weight),
          data(norm.bias)};
}

}  // namespace

void check_norm(const char* op, const Tensor& x, const Norm& norm) {
  check(x.dim() == 2 && x.size(1) >= 1 && x.is_floating_point(), op, ": x must be floating [T, C], C >= 1, got ",
        Shown{x});
  for (const Tensor* parameter : {&norm.weight, &norm.bias}) {
    check(!parameter->defined() || (parameter->dim() == 1 && parameter->size(0) == x.size(1)), op,
          ": the norm's weight and bias must be [C] = [", x.size(1), "], got ", Shown{*parameter});
  }
  check(norm.kind == NormKind::layer || !norm.bias.defined(), op, ": an RMS norm has no bias");
  check(norm.offset == 0 || norm.weight.defined(), op, ": a norm without a weight has no offset of it");
}

Norm without_offset(const Norm& norm) { return {norm.kind, norm.weight + norm.offset, norm.bias, norm.eps}; }

Tensor normalize_forward_aten(const Tensor& x, const Norm& norm) {
  Tensor y = standardize(x, norm).x;
  if (norm.weight.defined()) y = y * norm.weight;
  if (norm.bias.defined()) y = y + norm.bias;
  return y.to(x.scalar_type());
}

// With n = (x - mean) * scale and g = grad * weight: dx = scale (g - mean(g) - n mean(g n)); RMS has no mean(g).
NormGradients normalize_backward_aten(const Tensor& dx, const Tensor& grad, const Tensor& x, const Norm& norm,
                                      bool parameters_wanted) {
  const Normalized normalized = standardize(x, norm);
  Tensor wide = grad.to(normalized.x.scalar_type());
  NormGradients out;
  if (parameters_wanted && norm.weight.defined()) {
    out.weight = (wide * normalized.x).sum(0).to(norm.weight.scalar_type());
  }
  if (parameters_wanted && norm.bias.defined()) out.bias = wide.sum(0).to(norm.bias.scalar_type());
  if (norm.weight.defined()) wide = wide * norm.weight;
  Tensor inner = wide - normalized.x * (wide * normalized.x).mean(-1, true);
  if (norm.kind == NormKind::layer) inner = inner - wide.mean(-1, true);
  dx.copy_(inner * normalized.scale);
  return out;
}

Tensor normalize_forward(const Tensor& x, const Norm& norm) {
  if (!fast(x, norm)) return normalize_forward_aten(x, norm);
  Tensor y = at::empty(x.sizes(), x.options());
  NormTask task = task_of(x, norm);
  task.y = y.mutable_data_ptr<float>();
  normalize_cpu(task);
  return y;
}

NormGradients normalize_backward(const Tensor& dx, const Tensor& grad, const Tensor& x, const Norm& norm,
                                 bool parameters_wanted) {
  if (!fast(x, norm) || !fast(grad) || !fast(dx)) return normalize_backward_aten(dx, grad, x, norm, parameters_wanted);
  NormGradients out;
  if (parameters_wanted && norm.weight.defined()) out.weight = at::zeros_like(norm.weight);
  if (parameters_wanted && norm.bias.defined()) out.bias = at::zeros_like(norm.bias);
  NormTask task = task_of(x, norm);
  task.dy = data(grad);
  task.dy_stride = grad.stride(0);
  task.dx = dx.mutable_data_ptr<float>();
  task.dx_stride = dx.stride(0);
  normalize_backward_cpu(task, out.weight.defined() ? out.weight.mutable_data_ptr<float>() : nullptr,
                         out.bias.defined() ? out.bias.mutable_data_ptr<float>() : nullptr);
  return out;
}

Tensor normalize(const Tensor& x, const Norm& norm) {
  check_norm("normalize", x, norm);
  if (norm.kind == NormKind::none) return x;
  if (norm.offset != 0) return normalize(x, without_offset(norm));
  if (!at::GradMode::is_enabled()) return normalize_forward(x, norm);
  return NormFunction::apply(x, optional(norm.weight), optional(norm.bias), norm.kind, norm.eps);
}

}  // namespace longhaul
