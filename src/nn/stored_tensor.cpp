#include "nn/stored_tensor.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include "base/error.h"

namespace longhaul {

void take_stored(const StoredTensor& stored, const Tensor& values) {
  check(values.sizes() == stored.shape, stored.name, ": wanted ", at::IntArrayRef(stored.shape), ", found ",
        values.sizes());
  at::NoGradGuard off;
  std::vector<int64_t> unfolded = stored.parts.front().sizes().vec();
  const auto axis = static_cast<size_t>(stored.axis);
  for (size_t i = 1; i < stored.parts.size(); ++i) unfolded[axis] += stored.parts[i].size(stored.axis);
  const Tensor whole = values.view(unfolded);
  int64_t begin = 0;
  for (const Tensor& part : stored.parts) {
    const int64_t size = unfolded.empty() ? 0 : part.size(stored.axis);
    part.copy_(unfolded.empty() ? whole : whole.narrow(stored.axis, begin, size));
    begin += size;
  }
}

Tensor give_stored(const StoredTensor& stored) {
  at::NoGradGuard off;
  const Tensor whole = stored.parts.size() == 1 ? stored.parts.front() : at::cat(stored.parts, stored.axis);
  return whole.contiguous().view(stored.shape);
}

}  // namespace longhaul
