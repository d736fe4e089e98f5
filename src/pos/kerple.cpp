// Kerple (Chi et al. 2022, arXiv 2205.09921): two learned positive numbers per head and layer.
// Logarithmic: -p ln(1 + a d). Power: -a d^p.
#include <ATen/ops/clamp.h>
#include <ATen/ops/log1p.h>
#include <ATen/ops/pow.h>

#include <limits>

#include "pos/distance.h"

namespace longhaul {

namespace {

constexpr double kLeast = 0.01, kLargestPower = 2;

// The clamped value with the unclamped gradient: the reference clamps the parameter itself, in place.
Tensor kept_within(const Tensor& x, double low, double high) { return x + (at::clamp(x, low, high) - x).detach(); }

class Kerple : public Encoding {
 public:
  Kerple(Spec& spec, const EncodingContext& context) {
    power_ = spec.choice("kind", {"log", "power"}, "log") == "power";
    double high = power_ ? kLargestPower : std::numeric_limits<double>::infinity();
    for (int64_t i = 0; i < context.layers; ++i) {
      std::string p = context.attention_prefix(i) + "bias_p", a = context.attention_prefix(i) + "bias_a";
      Layer layer;
      layer.p = context.parameters->add(p, {context.heads, 1, 1}, Init::uniform(0, 2));
      layer.a = context.parameters->add(a, {context.heads, 1, 1}, Init::uniform(0, 1));
      context.parameters->bound(p, kLeast, high);
      context.parameters->bound(a, kLeast);
      layers_.push_back(layer);
    }
  }

  Bias bias(int64_t layer, const AttentionCall& call) const override {
    const Layer& own = layers_[static_cast<size_t>(layer)];
    return distance_bias(call, {own.p, own.a},
                         [power = power_](const std::vector<Tensor>& inputs, const Tensor& distance) {
                           const double none = std::numeric_limits<double>::infinity();
                           Tensor p = kept_within(inputs[0].flatten(1), kLeast, power ? kLargestPower : none),
                                  a = kept_within(inputs[1].flatten(1), kLeast, none);
                           Tensor d = distance.to(p.scalar_type()).unsqueeze(0);
                           return power ? -a * at::pow(d, p) : -p * at::log1p(a * d);
                         });
  }

 private:
  struct Layer {
    Tensor p, a;  // [H, 1, 1]
  };
  bool power_;
  std::vector<Layer> layers_;
};

}  // namespace

LH_REGISTER(Encodings, "kerple", "learned distance penalty, two numbers a head: kind=log|power",
            [](Spec& spec, const EncodingContext& context) { return std::make_unique<Kerple>(spec, context); });

}  // namespace longhaul
