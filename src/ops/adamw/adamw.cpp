// Checks and dispatch of the optimizer: f32 on the CPU to our own passes over memory, everything else to ATen's fused kernel.
#include "ops/adamw/adamw.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <cmath>

#include "base/error.h"
#include "ops/adamw/adamw_kernels.h"

namespace longhaul {

namespace {

bool is_f32_here(const Tensor& tensor) { return tensor.is_cpu() && tensor.scalar_type() == at::kFloat; }

double sum_of_squares(const Tensor& gradient) {
  if (is_f32_here(gradient)) {
    const Tensor dense = gradient.contiguous();
    return sum_of_squares_cpu(dense.const_data_ptr<float>(), dense.numel());
  }
  const double norm = at::linalg_vector_norm(gradient).item<double>();
  return norm * norm;
}

// The lists of a call without those parameters that have no gradient.
struct Lists {
  std::vector<Tensor> parameters, gradients, first, second;

  // All of them are dense f32 here, so that their numbers may be walked through side by side.
  bool fast() const {
    for (const auto* list : {&parameters, &gradients, &first, &second})
      for (const Tensor& tensor : *list)
        if (!is_f32_here(tensor) || !tensor.is_contiguous()) return false;
    return true;
  }
};

void step_cpu(const Lists& lists, int64_t step, const AdamWOptions& options, double gradient_scale) {
  for (size_t i = 0; i < lists.parameters.size(); ++i) {
    adamw_step_cpu({lists.parameters[i].numel(), lists.parameters[i].mutable_data_ptr<float>(),
                    lists.gradients[i].const_data_ptr<float>(), lists.first[i].mutable_data_ptr<float>(),
                    lists.second[i].mutable_data_ptr<float>()},
                   step, options, gradient_scale);
  }
}

void step_aten(const Lists& lists, int64_t step, const AdamWOptions& options, double gradient_scale) {
  const auto scalar = lists.parameters[0].options().dtype(at::kFloat).requires_grad(false);
  const std::vector<Tensor> steps(lists.parameters.size(), at::full({}, static_cast<double>(step), scalar));
  // As in mixed-precision training, ATen divides by this scale. It is a float whatever the gradients are and would cost double
  // ones half their digits, so those are scaled before. Either way the scaled gradients are left behind.
  std::optional<Tensor> divisor;
  if (gradient_scale != 1 && lists.parameters[0].scalar_type() == at::kDouble)
    at::_foreach_mul_(lists.gradients, gradient_scale);
  else if (gradient_scale != 1)
    divisor = at::full({1}, 1 / gradient_scale, scalar);
  at::_fused_adamw_(lists.parameters, lists.gradients, lists.first, lists.second, {}, steps, options.lr, options.beta1,
                    options.beta2, options.weight_decay, options.eps, /*amsgrad=*/false, /*maximize=*/false, divisor);
}

}  // namespace

double global_norm(const std::vector<Tensor>& gradients) {
  double sum = 0;
  for (const Tensor& gradient : gradients) sum += gradient.defined() ? sum_of_squares(gradient) : 0;
  return std::sqrt(sum);
}

void adamw_step(const std::vector<Tensor>& parameters, const std::vector<Tensor>& gradients,
                const std::vector<Tensor>& first_moments, const std::vector<Tensor>& second_moments, int64_t step,
                const AdamWOptions& options, double gradient_scale) {
  check(parameters.size() == gradients.size() && parameters.size() == first_moments.size() &&
            parameters.size() == second_moments.size(),
        "adamw: parameters, gradients and moments must be lists of one length, got ", parameters.size(), ", ",
        gradients.size(), ", ", first_moments.size(), " and ", second_moments.size());
  check(step >= 1, "adamw: steps count from 1, got ", step);
  check(gradient_scale > 0 && std::isfinite(gradient_scale), "adamw: the gradients' scale must be positive, got ",
        gradient_scale);
  const at::NoGradGuard no_grad;
  Lists lists;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!gradients[i].defined()) continue;
    for (const Tensor* other : {&gradients[i], &first_moments[i], &second_moments[i]})
      check(other->sizes() == parameters[i].sizes(), "adamw: gradient and moments of a parameter of shape ",
            parameters[i].sizes(), " must have that shape, got ", other->sizes());
    lists.parameters.push_back(parameters[i]);
    lists.gradients.push_back(gradients[i]);
    lists.first.push_back(first_moments[i]);
    lists.second.push_back(second_moments[i]);
  }
  if (lists.parameters.empty()) return;
  if (lists.fast())
    step_cpu(lists, step, options, gradient_scale);
  else
    step_aten(lists, step, options, gradient_scale);
}

}  // namespace longhaul
