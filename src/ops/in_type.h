// A change of type that costs nothing where there is none.
#pragma once
#include "ops/tensor.h"

namespace longhaul {

// x.to(type), without the way through the dispatcher where nothing changes: a step of decoding is short enough for it to show.
inline Tensor in_type(const Tensor& x, at::ScalarType type) { return x.scalar_type() == type ? x : x.to(type); }

}  // namespace longhaul
