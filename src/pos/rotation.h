// Rotation tables of the rotary encodings.
#pragma once
#include <vector>

#include "ops/rotary/rotary.h"

namespace longhaul {

// theta^(-2k / dim), k = 0 .. dim / 2 - 1: radians per token of each pair.
std::vector<double> rotary_frequencies(double theta, int64_t dim);

// positions [T] double -> factor * cos and factor * sin [T, R/2] of position * frequency, in `dtype`.
Rotation rotary_tables(const Tensor& positions, const std::vector<double>& frequencies, double factor,
                       RotaryLayout layout, at::ScalarType dtype);

}  // namespace longhaul
