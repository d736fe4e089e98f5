// The rotation as ATen operations.
#include <ATen/TensorOperators.h>

#include "ops/rotary/rotary_kernels.h"

namespace longhaul {

void rotate(const Tensor& x, int64_t heads, int64_t head_dim, const Rotation& rotation, bool inverse) {
  const int64_t half = rotation.cos.size(1);
  const Tensor cos = rotation.cos.unsqueeze(1), sin = inverse ? -rotation.sin.unsqueeze(1) : rotation.sin.unsqueeze(1);
  const Tensor view = x.narrow(1, 0, heads * head_dim).unflatten(1, {heads, head_dim}).narrow(2, 0, 2 * half);
  const bool interleaved = rotation.layout == RotaryLayout::interleaved;
  const Tensor pairs = view.unflatten(2, interleaved ? at::IntArrayRef({half, 2}) : at::IntArrayRef({2, half}));
  const int64_t axis = interleaved ? 3 : 2;
  const Tensor first = pairs.select(axis, 0), second = pairs.select(axis, 1);
  const Tensor turned = first * cos - second * sin;
  second.copy_(first * sin + second * cos);
  first.copy_(turned);
}

}  // namespace longhaul
