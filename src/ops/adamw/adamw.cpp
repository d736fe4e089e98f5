// AdamW through ATen's fused kernel, which moves 28 bytes a parameter: the memory bound.
#include "ops/adamw/adamw.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "ops/op.h"

namespace longhaul {

namespace {

// Blocks are fixed and their sums are added in order: the same bits on any thread count. Eight sums at a time, so that the
// compiler may keep them in vectors.
template <class T>
double sum_of_squares(const T* data, int64_t count) {
  constexpr int64_t kBlock = 1 << 16, kLanes = 8;
  std::vector<double> sums((count + kBlock - 1) / kBlock);
  at::parallel_for(0, static_cast<int64_t>(sums.size()), 1, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      const int64_t end = std::min(count, (block + 1) * kBlock);
      double lanes[kLanes] = {};
      int64_t i = block * kBlock;
      for (; i + kLanes <= end; i += kLanes) {
        for (int64_t lane = 0; lane < kLanes; ++lane) {
          const auto value = static_cast<double>(data[i + lane]);
          lanes[lane] += value * value;
        }
      }
      for (; i < end; ++i) lanes[0] += static_cast<double>(data[i]) * static_cast<double>(data[i]);
      sums[block] = std::accumulate(lanes, lanes + kLanes, 0.0);
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

double sum_of_squares(const Tensor& gradient) {
  if (gradient.is_cpu() && gradient.scalar_type() == at::kFloat) {
    const Tensor dense = gradient.contiguous();
    return sum_of_squares(dense.const_data_ptr<float>(), dense.numel());
  }
  const double norm = at::linalg_vector_norm(gradient).item<double>();
  return norm * norm;
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
  std::vector<Tensor> updated, slopes, first, second;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!gradients[i].defined()) continue;
    updated.push_back(parameters[i]);
    slopes.push_back(gradients[i]);
    first.push_back(first_moments[i]);
    second.push_back(second_moments[i]);
  }
  if (updated.empty()) return;
  const auto scalar = updated[0].options().dtype(at::kFloat).requires_grad(false);
  const std::vector<Tensor> steps(updated.size(), at::full({}, static_cast<double>(step), scalar));
  // As in mixed-precision training, ATen divides by this scale, and leaves the divided gradients behind. The scale is a float
  // whatever the gradients are: it would cost double ones half their digits, so those are scaled before.
  std::optional<Tensor> divisor;
  if (gradient_scale != 1 && updated[0].scalar_type() == at::kDouble)
    at::_foreach_mul_(slopes, gradient_scale);
  else if (gradient_scale != 1)
    divisor = at::full({1}, 1 / gradient_scale, scalar);
  at::_fused_adamw_(updated, slopes, first, second, {}, steps, options.lr, options.beta1, options.beta2,
                    options.weight_decay, options.eps, /*amsgrad=*/false, /*maximize=*/false, divisor);
}

LH_REGISTER(Ops, "adamw", "AdamW and the global gradient norm", [] {
  return OpPaths{"ATen's fused kernel, own norm", "ATen's fused kernel"};
});

}  // namespace longhaul
