// What the benches that work on tensors share.
#pragma once
#include "base/json.h"
#include "ops/tensor.h"

namespace longhaul {

// The cell's dtype: f32, bf16 or f64.
at::ScalarType scalar_type_of(const Json& cell);

// N(0, deviation) of the cell's dtype.
Tensor random_tensor(at::IntArrayRef shape, double deviation, at::ScalarType type);

}  // namespace longhaul
