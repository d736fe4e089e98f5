// Inclusive prefix sums along each packed sequence, in double: what positions made of content (Cable, forget gates) grow by.
#pragma once
#include <cstdint>
#include <vector>

#include "ops/tensor.h"

namespace longhaul {

// x [T, H] f32, bf16 or double; sequence b is rows offsets[b] .. offsets[b+1]. Returns [T, H] double with
// out[t] = initial[b] + sum of x over the rows of b up to and including t. initial [B, H] double or undefined (0), not
// differentiable. Summed left to right, so the same bits for a sequence cut into chunks. Gradient: the reverse sums.
Tensor running_sum(const Tensor& x, const std::vector<int64_t>& offsets, const Tensor& initial = {});

}  // namespace longhaul
