#include "pos/rotation.h"

#include <ATen/ops/cos.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/tensor.h>

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
  Tensor angle = at::outer(positions, at::tensor(frequencies, at::TensorOptions(at::kDouble)));
  Tensor cos = at::cos(angle), sin = at::sin(angle);
  if (factor != 1) cos = cos * factor, sin = sin * factor;
  return {cos.to(dtype), sin.to(dtype), layout};
}

}  // namespace longhaul
