// Rotary position embedding (Su et al. 2021, arXiv 2104.09864).
#pragma once
#include <cstdint>

#include "ops/tensor.h"

namespace longhaul {

enum class RotaryLayout { interleaved /* pairs (2k, 2k+1) */, half /* pairs (k, k + R/2) */ };

struct Rotation {
  Tensor cos,
      sin;  // [T, R/2] in the activations' dtype; R <= D dimensions of each head are rotated; undefined: no rotation
  RotaryLayout layout = RotaryLayout::interleaved;
};

// Rotates the first `heads` heads of x [T, W] (head h is columns [h D, h D + D)) in place and returns x. Differentiable
// (the inverse rotation of the gradient, and gradients of the tables where they ask for them, for which the result is saved; else
// nothing but the tables is). x must not be needed by its producer's backward.
Tensor rotate_heads_(Tensor x, int64_t heads, int64_t head_dim, const Rotation& rotation);

}  // namespace longhaul
