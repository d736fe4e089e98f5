// The rotation without autograd.
#pragma once
#include <cstdint>

#include "ops/rotary/rotary.h"

namespace longhaul {

// (a, b) -> (a cos - b sin, a sin + b cos) on the pairs of each of the first `heads` heads; `inverse` turns back. Other columns
// are copied. to [T, W] may be from.
void rotate(const Tensor& to, const Tensor& from, int64_t heads, int64_t head_dim, const Rotation& rotation,
            bool inverse);
// The same as ATen operations: devices other than the CPU.
void rotate_aten(const Tensor& to, const Tensor& from, int64_t heads, int64_t head_dim, const Rotation& rotation,
                 bool inverse);

// What the CPU's pass works on; rows of each tensor are its stride apart, columns are dense.
struct RotaryTask {
  float* to;
  int64_t to_stride;
  const float* from;
  int64_t from_stride;
  int64_t tokens, width, heads, head_dim;
  const float *cos, *sin;
  int64_t cos_stride, sin_stride, half;  // half: pairs of a head that are rotated
  bool interleaved, inverse;
};
void rotate_cpu(const RotaryTask& task);

}  // namespace longhaul
