#include "pos/rotation.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <cmath>

namespace longhaul {

std::vector<double> rotary_frequencies(double theta, int64_t dim) {
  std::vector<double> frequencies;
  for (int64_t k = 0; k < dim / 2; ++k)
    frequencies.push_back(std::pow(theta, -2.0 * static_cast<double>(k) / static_cast<double>(dim)));
  return frequencies;
}

Rotation rotary_tables(const Tensor& positions, const std::vector<double>& frequencies, double factor,
                       RotaryLayout layout, at::ScalarType dtype) {
  // Angles in double: a float angle is off by 3e-2 at one million tokens.
  const Tensor host = positions.to(at::kCPU).contiguous();
  const auto count = static_cast<int64_t>(frequencies.size());
  const Tensor cos = at::empty({host.numel(), count}, at::kDouble), sin = at::empty_like(cos);
  const double* position = host.const_data_ptr<double>();
  double *to_cos = cos.mutable_data_ptr<double>(), *to_sin = sin.mutable_data_ptr<double>();
  // Not at::cos: at the end of a call it takes another cosine than for the rest, and a token's angle would hang on the others.
  at::parallel_for(0, host.numel(), 64, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t k = 0; k < count; ++k) {
        const double angle = position[t] * frequencies[static_cast<size_t>(k)];
        to_cos[t * count + k] = factor * std::cos(angle);
        to_sin[t * count + k] = factor * std::sin(angle);
      }
    }
  });
  const auto options = positions.options().dtype(dtype);
  return {cos.to(options), sin.to(options), layout};
}

}  // namespace longhaul
