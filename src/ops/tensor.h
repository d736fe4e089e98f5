// LibTorch's tensor under our name. Ordinary files include this and per-op headers (<ATen/ops/...>), never torch/torch.h.
#pragma once
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <ostream>

namespace longhaul {
using at::Tensor;

// What a message says of a tensor, formatted only when it is printed: "Float [8, 32]", or "nothing" for an undefined one.
struct Shown {
  const Tensor& tensor;
};
inline std::ostream& operator<<(std::ostream& out, Shown shown) {
  if (!shown.tensor.defined()) return out << "nothing";
  return out << shown.tensor.scalar_type() << ' ' << shown.tensor.sizes();
}

}  // namespace longhaul
