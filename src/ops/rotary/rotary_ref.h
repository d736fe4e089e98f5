// The definition: Su et al. 2021 (arXiv 2104.09864) eq. 15 and 34, for both ways of pairing dimensions.
#pragma once
#include <cstdint>

#include "ops/rotary/rotary.h"

namespace longhaul::ref {

// x [T, W] in place; cos, sin [T, R/2]. sign -1 turns back, which is also the gradient.
template <class S>
void rotate(RotaryLayout layout, int64_t tokens, int64_t width, int64_t heads, int64_t head_dim, int64_t half, S* x,
            const S* cos, const S* sin, S sign = 1) {
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t k = 0; k < half; ++k) {
        S* head = x + t * width + h * head_dim;
        S& a = layout == RotaryLayout::interleaved ? head[2 * k] : head[k];
        S& b = layout == RotaryLayout::interleaved ? head[2 * k + 1] : head[k + half];
        const S c = cos[t * half + k], s = sign * sin[t * half + k], turned = a * c - b * s;
        b = a * s + b * c;
        a = turned;
      }
    }
  }
}

}  // namespace longhaul::ref
