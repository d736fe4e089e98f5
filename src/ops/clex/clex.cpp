#include "ops/clex/clex.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "ops/op.h"

namespace longhaul {

namespace {

Tensor shaped_like(const std::vector<double>& values, const Tensor& model) {
  return at::tensor(values, at::TensorOptions(at::kDouble)).view(model.sizes()).to(model.options());
}

struct ClexFunction : torch::autograd::Function<ClexFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& up, const Tensor& down,
                        const Tensor& first, const ClexOde& ode, double t) {
    const auto found = clex_frequencies(ode, clex_weights(up, down), numbers_of(first), {t}, ClexArithmetic::f64);
    const Tensor result = at::tensor(found.front(), at::TensorOptions(at::kDouble));
    context->save_for_backward({up, down, first, result});
    auto& data = context->saved_data;
    data["dim"] = ode.dim, data["hidden"] = ode.hidden, data["tanh"] = ode.activation == ClexActivation::tanh;
    data["step"] = ode.step, data["base"] = ode.base, data["t"] = t;
    return result;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    check(!at::GradMode::is_enabled(), "clex: second derivatives are not available");
    auto& data = context->saved_data;
    const auto saved = context->get_saved_variables();
    const ClexOde ode{data["dim"].toInt(), data["hidden"].toInt(),
                      data["tanh"].toBool() ? ClexActivation::tanh : ClexActivation::silu, data["step"].toDouble(),
                      data["base"].toDouble()};
    // theta = exp(z)
    const ClexWeights gradient = clex_gradient(ode, clex_weights(saved[0], saved[1]), numbers_of(saved[2]),
                                               data["t"].toDouble(), numbers_of(grads[0] * saved[3]));
    return {shaped_like(gradient.up, saved[0]), shaped_like(gradient.down, saved[1]), Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

std::vector<double> numbers_of(const Tensor& tensor) {
  const Tensor values = tensor.detach().to(at::kCPU, at::kDouble).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

ClexWeights clex_weights(const Tensor& up, const Tensor& down) { return {numbers_of(up), numbers_of(down)}; }

Tensor clex_frequencies(const Tensor& up, const Tensor& down, const Tensor& first, const ClexOde& ode, double t) {
  check(up.dim() == 2 && down.dim() == 2 && up.size(0) == ode.dim / 2 && up.size(1) == ode.hidden &&
            down.size(0) == ode.hidden && down.size(1) == ode.dim / 2,
        "clex: up must be [", ode.dim / 2, ", ", ode.hidden, "] and down [", ode.hidden, ", ", ode.dim / 2, "], got ",
        Shown{up}, " and ", Shown{down});
  return ClexFunction::apply(up, down, first, ode, t);
}

LH_REGISTER(Ops, "clex", "frequencies of rotary embeddings by CLEX's ODE", [] {
  return OpPaths{"own loop", "none, a tensor there is an error"};
});

}  // namespace longhaul
