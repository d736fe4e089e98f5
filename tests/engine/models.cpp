#include "models.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

namespace longhaul {

Tensor recomputed(const Model& model, const std::vector<int64_t>& tokens) {
  at::NoGradGuard off;
  const auto count = static_cast<int64_t>(tokens.size());
  const Tensor x = forward(model, at::tensor(tokens, at::TensorOptions(at::kLong)), Sequences::equal(1, count), {});
  const Head head = model.head();
  return logits(normalize(x.narrow(0, count - 1, 1), head.norm), head.logits)[0];
}

}  // namespace longhaul
