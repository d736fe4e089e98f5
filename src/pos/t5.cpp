// T5's relative bias (Raffel et al. 2020, arXiv 1910.10683): a learned number per head and bucket of distance.
#include <ATen/ops/clamp.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/log.h>
#include <ATen/ops/where.h>

#include <cmath>

#include "pos/distance.h"

namespace longhaul {

namespace {

// Causal buckets: one for each distance below half, the other half on a logarithmic scale up to `longest`, the last one for
// all beyond.
Tensor bucket_of(const Tensor& distance, int64_t buckets, int64_t longest) {
  double exact = static_cast<double>(buckets / 2), rest = static_cast<double>(buckets) - exact;
  Tensor far = exact + at::floor(at::log(at::clamp(distance, 1) / exact) /
                                 std::log(static_cast<double>(longest) / exact) * rest);
  return at::where(distance < exact, distance, at::clamp(far, exact, static_cast<double>(buckets - 1))).to(at::kLong);
}

class T5 : public Encoding {
 public:
  T5(Spec& spec, const EncodingContext& context) : width_(context.width) {
    upstream_ = spec.choice("variant", {"standard", "upstream"}, "standard") == "upstream";
    Init normal = Init::normal(context.init_deviation);
    if (upstream_) {  // no buckets: a row for each distance from -256 to 256, a table for each layer
      longest_ = kUpstreamReach;
      for (int64_t i = 0; i < context.layers; ++i)
        tables_.push_back(context.parameters->add(context.attention_prefix(i) + "t5_position.weight",
                                                  {2 * kUpstreamReach + 1, context.heads}, normal));
      return;
    }
    buckets_ = spec.integer("buckets", 32);
    longest_ = spec.length("max", 128);
    check(buckets_ >= 2 && buckets_ % 2 == 0, "t5: buckets must be even and at least 2, got ", buckets_);
    check(longest_ > buckets_ / 2, "t5: max must be beyond the ", buckets_ / 2, " exact distances, got ", longest_);
    tables_.assign(static_cast<size_t>(context.layers),  // one for all layers
                   context.parameters->add(context.root + "t5.weight", {buckets_, context.heads}, normal));
  }

  Bias bias(int64_t layer, const AttentionCall& call) const override {
    return distance_bias(
        call, {tables_[static_cast<size_t>(layer)]},
        [upstream = upstream_, buckets = buckets_, longest = longest_](const std::vector<Tensor>& inputs,
                                                                       const Tensor& distance) {
          Tensor row = upstream ? at::clamp(distance, 0, longest).to(at::kLong) + longest
                                : bucket_of(distance, buckets, longest);
          return at::index_select(inputs[0], 0, row).t();
        },
        longest_);
  }

  double qk_scale(int64_t head_dim) const override {
    return upstream_ ? 1.0 / std::sqrt(static_cast<double>(width_)) : Encoding::qk_scale(head_dim);
  }

 private:
  static constexpr int64_t kUpstreamReach = 256;
  bool upstream_;
  int64_t width_, buckets_ = 0, longest_ = 0;
  std::vector<Tensor> tables_;  // [layers] of [rows, H]
};

}  // namespace

LH_REGISTER(Encodings, "t5",
            "learned bias per bucket of distance: buckets=32, max=128; variant=upstream: no buckets, 1/sqrt(width)",
            [](Spec& spec, const EncodingContext& context) { return std::make_unique<T5>(spec, context); });

}  // namespace longhaul
