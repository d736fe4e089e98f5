#include "pos/cable_family.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

#include "ops/running_sum/running_sum.h"

namespace longhaul {

CableFamily::CableFamily(const CableVariant& variant, bool kernel, const EncodingContext& context)
    : variant_(variant), kernel_(kernel), width_(context.width) {
  Init normal = Init::normal(context.init_deviation);
  Parameters& parameters = *context.parameters;
  for (int64_t i = 0; i < context.layers; ++i) {
    std::string prefix = context.attention_prefix(i);
    Layer layer;
    layer.step_weight = parameters.add(prefix + "cable_layer.weight", {context.heads, context.width}, normal);
    layer.step_bias = parameters.add(prefix + "cable_layer.bias", {context.heads}, Init::zeros());
    if (variant_.weighted) {
      layer.gain_weight = parameters.add(prefix + "cable_layer_scale.weight", {context.heads, context.width}, normal);
      layer.gain_bias = parameters.add(prefix + "cable_layer_scale.bias", {context.heads}, Init::zeros());
    }
    layers_.push_back(layer);
  }
}

Tensor CableFamily::increments(int64_t layer, const Tensor& x) const {
  Tensor h = at::linear(x, layers_[layer].step_weight, layers_[layer].step_bias);
  Tensor a = variant_.relu ? at::relu(h) : at::softplus(h);
  // The first upload multiplies the bias by a float32 sqrt(width) before everything is divided by sqrt(width).
  if (variant_.scale == CableVariant::Scale::model)
    a = a * (std::sqrt(static_cast<float>(width_)) / std::sqrt(static_cast<double>(width_)));
  return a;
}

// S_t = -(a_0 + ... + a_t): [S, H] double over all keys of the call.
Tensor CableFamily::sums(const Tensor& increments, const AttentionCall& call) const {
  const std::vector<int64_t>& offsets = call.plan->seq.offsets;
  if (!call.channel.defined()) {
    Tensor s = -running_sum(increments, offsets);
    return variant_.smoothed ? block_means(s, offsets) : s;
  }
  std::vector<Tensor> before;  // each sequence's sum where the cached keys end
  for (int64_t b = 0; b < call.plan->seq.count(); ++b) {
    int64_t first = call.spans->key_end[b] - call.plan->seq.length(b);
    before.push_back(first > call.spans->key_begin[b] ? -call.channel[first - 1] : at::zeros_like(call.channel[0]));
  }
  Tensor s = -running_sum(increments, offsets, at::stack(before));
  for (int64_t b = 0; b < call.plan->seq.count(); ++b) {
    int64_t length = call.plan->seq.length(b);
    call.channel.narrow(0, call.spans->key_end[b] - length, length).copy_(s.narrow(0, offsets[b], length));
  }
  return call.channel;
}

Bias CableFamily::bias(int64_t layer, const AttentionCall& call) const {
  Tensor s = sums(increments(layer, call.x), call), g;
  if (variant_.weighted) g = at::softplus(at::linear(call.x, layers_[layer].gain_weight, layers_[layer].gain_bias));
  if (variant_.rewards) g = g.defined() ? -g : at::full({call.q.size(0), call.q.size(1)}, -1, call.q.options());
  if (kernel_) return SeparableKernel{g, s, KernelFn::neg_log1p_square};
  return SeparableBias{g, s};
}

std::vector<Reading> CableFamily::readings(int64_t layer, const AttentionCall& call) const {
  Tensor share = increments(layer, call.x).eq(0).mean(0, false, at::kDouble);
  return {{"zero_increments", {share.const_data_ptr<double>(), share.const_data_ptr<double>() + share.numel()}}};
}

double CableFamily::qk_scale(int64_t head_dim) const {
  if (variant_.scale == CableVariant::Scale::none) return 1.0;
  return 1.0 / std::sqrt(static_cast<double>(variant_.scale == CableVariant::Scale::model ? width_ : head_dim));
}

Traits CableFamily::traits() const {
  Traits traits;
  traits.reads_positions = false;
  traits.causal_only = kernel_ || variant_.smoothed;
  if (variant_.smoothed) {
    traits.chunk_exact = false;
    traits.needs_total = true;
    traits.note = "the tail of a run keeps raw sums, so early results depend on the whole length";
  }
  return traits;
}

Tensor block_means(const Tensor& sums, const std::vector<int64_t>& offsets) {
  std::vector<Tensor> sequences;
  for (size_t b = 0; b + 1 < offsets.size(); ++b) {
    Tensor one = sums.narrow(0, offsets[b], offsets[b + 1] - offsets[b]);
    std::vector<Tensor> heads;
    for (int64_t n = 0; n < one.size(1); ++n) {
      Tensor s = one.select(1, n);
      // floor(sqrt(2)^n), computed so that even n are exact powers of two.
      double root = std::exp2(static_cast<double>(n / 2)) * (n % 2 ? std::sqrt(2.0) : 1.0);
      int64_t block = std::min(static_cast<int64_t>(root), s.size(0)), full = block ? s.size(0) / block : 0;
      if (full == 0) {
        heads.push_back(s);
        continue;
      }
      Tensor means = s.narrow(0, 0, full * block).view({full, block}).mean(1);
      Tensor before = at::cat({at::zeros_like(means.narrow(0, 0, 1)), means.narrow(0, 0, full - 1)});
      Tensor blocks = before.unsqueeze(1).expand({full, block}).reshape({full * block});
      heads.push_back(at::cat({blocks, s.narrow(0, full * block, s.size(0) - full * block)}));
    }
    sequences.push_back(at::stack(heads, 1));
  }
  return at::cat(sequences);
}

std::unique_ptr<Encoding> make_cable(Spec& spec, const std::vector<CableVariant>& variants, bool kernel,
                                     const EncodingContext& context) {
  std::vector<std::string> names;
  for (const CableVariant& variant : variants) names.push_back(variant.name);
  std::string chosen = spec.choice("variant", names, names.front());
  size_t index = static_cast<size_t>(std::find(names.begin(), names.end(), chosen) - names.begin());
  return std::make_unique<CableFamily>(variants[index], kernel, context);
}

}  // namespace longhaul
