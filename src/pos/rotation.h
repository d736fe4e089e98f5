// Rotation tables of the rotary encodings.
#pragma once
#include "ops/rotary/rotary.h"

namespace longhaul {

// positions [T] double -> cos and sin [T, dim / 2] of position * theta^(-2k / dim), in `dtype`.
Rotation rotary_tables(const Tensor& positions, double theta, int64_t dim, RotaryLayout layout, at::ScalarType dtype);

}  // namespace longhaul
