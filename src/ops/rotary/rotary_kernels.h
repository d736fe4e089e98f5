// The rotation without autograd.
#pragma once
#include "ops/rotary/rotary.h"

namespace longhaul {

// (a, b) -> (a cos - b sin, a sin + b cos) on the pairs of each of the first `heads` heads, in place; `inverse` turns back.
void rotate(const Tensor& x, int64_t heads, int64_t head_dim, const Rotation& rotation, bool inverse);

}  // namespace longhaul
