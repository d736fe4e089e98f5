// Random tensors, and how near a result has to be to what the definition says.
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <cmath>
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

// The design's rule: errors at most twice those of the plain f32 code, plus 4 units in the last place of the largest
// entry. `size`: of the numbers whose difference the result is, where that may vanish.
inline void expect_as_good(const Tensor& got, const std::vector<double>& wanted, const std::vector<double>& plain,
                           double size = 0) {
  const Difference ours = difference(values(got), wanted), theirs = difference(plain, wanted);
  const double ulp = 4 * std::max(ours.scale, size) * std::ldexp(1, -24 + 1);
  EXPECT_LE(ours.largest, 2 * theirs.largest + ulp);
  EXPECT_LE(ours.rms, 2 * theirs.rms + ulp);
}

inline void expect_near(const Tensor& got, const std::vector<double>& wanted, double relative) {
  const Difference ours = difference(values(got), wanted);
  EXPECT_LE(ours.largest, relative * std::max(ours.scale, 1e-30));
}

}  // namespace longhaul::testing
