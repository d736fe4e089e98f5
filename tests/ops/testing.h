// What the ops' tests share: random tensors, the rule for errors, central differences.
#pragma once
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

namespace longhaul::testing {

using at::Tensor;

// Standard normal numbers; the same for the same seed in every type (rounded).
inline Tensor randn(std::vector<int64_t> shape, at::ScalarType type, uint64_t seed) {
  Tensor out = at::empty(shape, at::kDouble);
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal;
  for (int64_t i = 0; i < out.numel(); ++i) out.mutable_data_ptr<double>()[i] = normal(engine);
  return out.to(type);
}

inline std::vector<double> values(const Tensor& tensor) {
  const Tensor wide = tensor.detach().to(at::kDouble).contiguous();
  return {wide.const_data_ptr<double>(), wide.const_data_ptr<double>() + wide.numel()};
}

struct Difference {
  double largest = 0, rms = 0, scale = 0;  // scale: the largest entry of what was wanted
};

inline Difference difference(const std::vector<double>& got, const std::vector<double>& wanted) {
  Difference out;
  EXPECT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < std::min(got.size(), wanted.size()); ++i) {
    const double error = std::abs(got[i] - wanted[i]);
    out.largest = std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(out.largest, error);
    out.rms += error * error / static_cast<double>(wanted.size());
    out.scale = std::max(out.scale, std::abs(wanted[i]));
  }
  out.rms = std::sqrt(out.rms);
  return out;
}

// The design's rule: errors at most twice those of the plain f32 code, plus 4 units in the last place of the largest entry.
inline void expect_as_good(const Tensor& got, const std::vector<double>& wanted, const std::vector<double>& plain) {
  const Difference ours = difference(values(got), wanted), theirs = difference(plain, wanted);
  const double ulp = wanted.empty() ? 0 : 4 * ours.scale * std::ldexp(1, -24 + 1);
  EXPECT_LE(ours.largest, 2 * theirs.largest + ulp);
  EXPECT_LE(ours.rms, 2 * theirs.rms + ulp);
}

inline void expect_near(const Tensor& got, const std::vector<double>& wanted, double relative) {
  const Difference ours = difference(values(got), wanted);
  EXPECT_LE(ours.largest, relative * std::max(ours.scale, 1e-30));
}

// Compares autograd with central differences in double. `inputs` are double leaves; the function's output is weighted by fixed
// random numbers into a scalar.
inline void expect_gradients(const std::function<Tensor(const std::vector<Tensor>&)>& function,
                             std::vector<Tensor> inputs, double tolerance = 1e-7) {
  for (Tensor& input : inputs) input = input.detach().clone().set_requires_grad(true);
  const Tensor output = function(inputs);
  const Tensor weights = randn(output.sizes().vec(), at::kDouble, 99);
  (output.to(at::kDouble) * weights).sum().backward();
  const auto value = [&] {
    const at::NoGradGuard no_grad;
    return (function(inputs).to(at::kDouble) * weights).sum().item<double>();
  };
  for (size_t n = 0; n < inputs.size(); ++n) {
    ASSERT_TRUE(inputs[n].grad().defined()) << "input " << n << " has no gradient";
    const std::vector<double> got = values(inputs[n].grad());
    double* data = inputs[n].data_ptr<double>();
    ASSERT_TRUE(inputs[n].is_contiguous());
    for (int64_t i = 0; i < inputs[n].numel(); ++i) {
      const double kept = data[i], step = 1e-5;
      data[i] = kept + step;
      const double above = value();
      data[i] = kept - step;
      const double below = value();
      data[i] = kept;
      const double wanted = (above - below) / (2 * step);
      EXPECT_NEAR(got[i], wanted, tolerance * std::max(1.0, std::abs(wanted))) << "input " << n << ", element " << i;
    }
  }
}

}  // namespace longhaul::testing
