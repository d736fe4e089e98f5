// AdamW on f32 numbers, one pass over memory. ATen's fused kernel reaches 40 % of one core's memory rate, and where gradients
// are clipped it writes them back as well.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/adamw/adamw_cpu.cpp"
#include <ATen/Parallel.h>
#include <hwy/foreach_target.h>  // must come before highway.h

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "ops/adamw/adamw_kernels.h"
#include "ops/op.h"
#include "ops/simd-inl.h"

#ifndef LONGHAUL_OPS_ADAMW_FACTORS_
#define LONGHAUL_OPS_ADAMW_FACTORS_
namespace longhaul {
// What a step multiplies by, the same for all numbers.
struct AdamWFactors {
  float gradient, beta1, one_minus_beta1, beta2, one_minus_beta2;
  float keep;                // 1 - lr * weight_decay
  float rate;                // lr / (1 - beta1^step)
  float inverse_correction;  // 1 / sqrt(1 - beta2^step)
  float eps;
};
}  // namespace longhaul
#endif

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {

void adamw_update(const AdamWTask& task, const AdamWFactors& factors, int64_t begin, int64_t end) {
  const Floats d;
  const auto scale = hn::Set(d, factors.gradient), keep = hn::Set(d, factors.keep);
  const auto beta1 = hn::Set(d, factors.beta1), rest1 = hn::Set(d, factors.one_minus_beta1);
  const auto beta2 = hn::Set(d, factors.beta2), rest2 = hn::Set(d, factors.one_minus_beta2);
  const auto rate = hn::Set(d, factors.rate), inverse_correction = hn::Set(d, factors.inverse_correction);
  const auto eps = hn::Set(d, factors.eps);
  float *parameter = task.parameter + begin, *first = task.first + begin, *second = task.second + begin;
  const float* gradient = task.gradient + begin;
  for_vectors(end - begin, [&](const auto& load, const auto& store, int64_t) HWY_ATTR {
    const auto g = hn::Mul(load(gradient, 0), scale);
    const auto m = hn::MulAdd(beta1, load(first, 0), hn::Mul(rest1, g));
    const auto v = hn::MulAdd(beta2, load(second, 0), hn::Mul(rest2, hn::Mul(g, g)));
    const auto deviation = hn::MulAdd(hn::Sqrt(v), inverse_correction, eps);
    store(m, first);
    store(v, second);
    store(hn::NegMulAdd(rate, hn::Div(m, deviation), hn::Mul(load(parameter, 0), keep)), parameter);
  });
}

double squares(const float* data, int64_t count) {
  const hn::ScalableTag<double> wide;
  const hn::Rebind<float, hn::ScalableTag<double>> narrow;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(wide));
  auto even = hn::Zero(wide), odd = hn::Zero(wide);
  int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto a = hn::PromoteTo(wide, hn::LoadU(narrow, data + i));
    const auto b = hn::PromoteTo(wide, hn::LoadU(narrow, data + i + lanes));
    even = hn::MulAdd(a, a, even);
    odd = hn::MulAdd(b, b, odd);
  }
  double sum = hn::GetLane(hn::SumOfLanes(wide, hn::Add(even, odd)));
  for (; i < count; ++i) sum += static_cast<double>(data[i]) * static_cast<double>(data[i]);
  return sum;
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
namespace {

HWY_EXPORT(adamw_update);
HWY_EXPORT(squares);

constexpr int64_t kBlock = 1 << 16;  // numbers

}  // namespace

double sum_of_squares_cpu(const float* data, int64_t count) {
  std::vector<double> sums((count + kBlock - 1) / kBlock);
  at::parallel_for(0, static_cast<int64_t>(sums.size()), 1, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block)
      sums[block] = HWY_DYNAMIC_DISPATCH(squares)(data + block * kBlock, std::min(kBlock, count - block * kBlock));
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

void adamw_step_cpu(const AdamWTask& task, int64_t step, const AdamWOptions& options, double gradient_scale) {
  const double correction1 = 1 - std::pow(options.beta1, step), correction2 = 1 - std::pow(options.beta2, step);
  const AdamWFactors factors{static_cast<float>(gradient_scale),
                             static_cast<float>(options.beta1),
                             static_cast<float>(1 - options.beta1),
                             static_cast<float>(options.beta2),
                             static_cast<float>(1 - options.beta2),
                             static_cast<float>(1 - options.lr * options.weight_decay),
                             static_cast<float>(options.lr / correction1),
                             static_cast<float>(1 / std::sqrt(correction2)),
                             static_cast<float>(options.eps)};
  at::parallel_for(0, task.count, kBlock, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(adamw_update)(task, factors, begin, end);
  });
}

LH_REGISTER(Ops, "adamw", "AdamW and the global gradient norm", [] {
  return OpPaths{"own kernel, " + vector_target(HWY_TARGETS) + "; f64, bf16: ATen's fused kernel",
                 "ATen's fused kernel"};
});

}  // namespace longhaul
#endif
