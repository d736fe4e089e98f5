// A tensor that may be absent, as autograd functions take it.
#pragma once
#include <optional>

#include "ops/tensor.h"

namespace longhaul {

inline std::optional<Tensor> optional(const Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

}  // namespace longhaul
