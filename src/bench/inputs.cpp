#include "bench/inputs.h"

#include <ATen/ops/empty.h>

#include "base/error.h"

namespace longhaul {

at::ScalarType scalar_type_of(const Json& cell) {
  std::string dtype = cell.at("dtype").get<std::string>();
  if (dtype == "f32") return at::kFloat;
  if (dtype == "bf16") return at::kBFloat16;
  check(dtype == "f64", "bench: dtype must be f32, bf16 or f64, got ", dtype);
  return at::kDouble;
}

Tensor random_tensor(at::IntArrayRef shape, double deviation, at::ScalarType type) {
  return at::empty(shape, type).normal_(0, deviation);
}

}  // namespace longhaul
