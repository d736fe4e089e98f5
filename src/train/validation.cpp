#include "train/validation.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>

#include "base/error.h"

namespace longhaul {

namespace {

Tensor as_tensor(std::vector<int64_t>& ids) {
  return at::from_blob(ids.data(), {static_cast<int64_t>(ids.size())}, at::TensorOptions(at::kLong));
}

}  // namespace

double mean_loss(const Model& model, const TokenSplit& split, int64_t length, int64_t tokens, int64_t windows) {
  check(length > 0 && tokens > 0 && tokens % length == 0, "validation: tokens must be a multiple of the length, got ",
        tokens, " and ", length);
  at::NoGradGuard no_grad;
  double sum = 0;
  std::vector<int64_t> inputs, targets;
  for (int64_t start = 0; start < tokens;) {
    int64_t count = std::min(windows, (tokens - start) / length);
    inputs.resize(count * length);
    targets.resize(count * length);
    split.read(start, inputs);
    split.read(start + 1, targets);
    sum += loss_sum(model, as_tensor(inputs), as_tensor(targets), Sequences::equal(count, length), {}).item<double>();
    start += count * length;
  }
  return sum / static_cast<double>(tokens);
}

std::vector<LayerReport> layer_reports(const Model& model, const TokenSplit& split, int64_t length) {
  at::NoGradGuard no_grad;
  std::vector<int64_t> inputs(length);
  split.read(0, inputs);
  std::vector<LayerReport> reports;
  ForwardOptions options;
  options.reports = &reports;
  forward(model, as_tensor(inputs), Sequences::equal(1, length), options);
  return reports;
}

}  // namespace longhaul
