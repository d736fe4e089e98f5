// LibTorch's tensor under our name. Ordinary files include this and per-op headers (<ATen/ops/...>), never torch/torch.h.
#pragma once
#include <ATen/core/Tensor.h>

namespace longhaul {
using at::Tensor;
}  // namespace longhaul
