#include "nn/model.h"

#include <algorithm>

#include "ops/linear/packed_weight.h"

namespace longhaul {

int64_t ModelInfo::state_bytes_per_token(int64_t element_size, int64_t scale_size) const {
  return 2 * layers * kv_heads * (head_dim * element_size + scale_size) + channel_bytes;
}

double ModelInfo::forward_flops(int64_t tokens, int64_t head_rows) const {
  double t = static_cast<double>(tokens), c = static_cast<double>(width);
  double projections =
      c * static_cast<double>((heads + 2 * kv_heads) * head_dim) + static_cast<double>(heads * head_dim) * c;
  double matrices = projections + static_cast<double>(mlp_matrices) * c * static_cast<double>(hidden);
  return static_cast<double>(layers) * 2 * matrices * t + 4.0 * static_cast<double>(heads * head_dim) * pairs(tokens) +
         2 * c * static_cast<double>(vocab) * static_cast<double>(head_rows);
}

double ModelInfo::pairs(int64_t tokens) const {
  double all = 0;
  for (int64_t i = 0; i < layers; ++i) {
    const double t = static_cast<double>(tokens), w = static_cast<double>(keys_seen(i, tokens));
    all += w * (w + 1) / 2 + (t - w) * w;
  }
  return all;
}

double ModelInfo::keys_of_last(int64_t tokens) const {
  double all = 0;
  for (int64_t i = 0; i < layers; ++i) all += static_cast<double>(keys_seen(i, tokens));
  return all;
}

int64_t ModelInfo::keys_seen(int64_t layer, int64_t tokens) const {
  const auto i = static_cast<size_t>(layer);
  return i < windows.size() && windows[i] > 0 ? std::min(windows[i], tokens) : tokens;
}

int64_t Model::weight_bytes() const {
  int64_t bytes = 0;
  for (const Parameter& parameter : parameters_.all()) {
    const int64_t packed = packed_bytes(parameter.tensor);
    bytes += packed > 0 ? packed : parameter.tensor.numel() * parameter.tensor.element_size();
  }
  return bytes;
}

}  // namespace longhaul
