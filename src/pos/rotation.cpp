#include "pos/rotation.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/sin.h>

namespace longhaul {

Rotation rotary_tables(const Tensor& positions, double theta, int64_t dim, RotaryLayout layout, at::ScalarType dtype) {
  // Angles in double: a float angle is off by 3e-2 at one million tokens.
  Tensor exponent = at::arange(0, dim, 2, at::kDouble) / static_cast<double>(dim);
  Tensor angle = at::outer(positions, at::pow(theta, -exponent));
  return {at::cos(angle).to(dtype), at::sin(angle).to(dtype), layout};
}

}  // namespace longhaul
