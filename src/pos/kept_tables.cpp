#include "pos/kept_tables.h"

#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <bit>

namespace longhaul {

Rotation KeptTables::computed(const std::vector<double>& frequencies, double factor, int64_t count) const {
  const c10::InferenceMode off(false);  // a pass with gradients may be the next to take them
  std::vector<double> positions;
  for (int64_t j = 0; j < count; ++j)
    positions.push_back(position_ ? position_(static_cast<double>(j)) : static_cast<double>(j));
  return rotary_tables(at::tensor(positions, at::TensorOptions(at::kDouble)), frequencies, factor, layout_, dtype_);
}

Rotation KeptTables::rows(const std::vector<double>& frequencies, double factor, int64_t count) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) {
    return kept.factor == factor && kept.frequencies == frequencies;
  });
  Kept kept = found == kept_.end() ? Kept{frequencies, factor, {}} : std::move(*found);
  if (found != kept_.end()) kept_.erase(found);
  if (!kept.rotation.cos.defined() || kept.rotation.cos.size(0) < count) {
    const auto room = std::max(kLeast, static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(count))));
    kept.rotation = computed(frequencies, factor, room);
  }
  const Rotation rows{kept.rotation.cos.narrow(0, 0, count), kept.rotation.sin.narrow(0, 0, count), layout_};
  if (kept_.size() == kMost) kept_.erase(kept_.begin());
  kept_.push_back(std::move(kept));
  return rows;
}

}  // namespace longhaul
