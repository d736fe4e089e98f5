// FIRE (Li et al. 2023, arXiv 2310.04418): an MLP of the relative position, which a logarithm stretches near the query and the
// query's own position normalises: r = ln(|c d| + 1) / (ln(|c max(i, |Lm L0|)| + 1) + 1e-6), bias = MLP(r), 1 -> hidden -> H.
#include <ATen/TensorOperators.h>

#include <cmath>

#include "ops/fire/fire.h"
#include "pos/distance.h"

namespace longhaul {

namespace {

enum Input { kC, kMultiplier, kLength, kWeight0, kBias0, kWeight2, kBias2 };

FireNetwork network_of(const std::vector<Tensor>& in) {
  return {in[kC], in[kMultiplier] * in[kLength], in[kWeight0], in[kBias0], in[kWeight2], in[kBias2]};
}

class Fire : public Encoding {
 public:
  Fire(Spec& spec, const EncodingContext& context) {
    bool upstream = spec.choice("variant", {"standard", "upstream"}, "standard") == "upstream";
    hidden_ = spec.integer("hidden", 32);
    double length = static_cast<double>(spec.length("length", 512));
    bool shared = spec.flag("shared", false);
    check(hidden_ >= 1, "fire: hidden must be at least 1, got ", hidden_);
    for (int64_t i = 0; i < context.layers; ++i) {
      if (shared && i > 0) {
        layers_.push_back(layers_.front());
        continue;
      }
      layers_.push_back(
          make_layer(shared ? context.root + "fire." : context.attention_prefix(i), context, upstream, length));
    }
  }

  Bias bias(int64_t layer, const AttentionCall& call) const override {
    return rows(layers_[static_cast<size_t>(layer)], call);
  }

  Tensor attend(int64_t layer, const AttentionCall& call) const override {
    std::vector<Tensor> inputs = layers_[static_cast<size_t>(layer)];
    inputs[kBias2] = forgotten_by_softmax(inputs[kBias2]);
    return attention(call.q, call.k, call.v, *call.spans, rows(inputs, call), call.options);
  }

 private:
  static RowBlockBias rows(const std::vector<Tensor>& inputs, const AttentionCall& call) {
    RowBlockBias bias;
    bias.inputs = inputs;
    const Tensor keys_at = call.plan->consecutive ? Tensor() : call.key_positions();
    bias.rows = [plan = *call.plan, spans = *call.spans, keys_at](const std::vector<Tensor>& now, int64_t b, int64_t i0,
                                                                  int64_t i1, int64_t keys) {
      const int64_t row = spans.query_offsets[b], count = spans.query_offsets[b + 1] - row;
      const int64_t first = spans.key_end[b] - spans.key_begin[b] - count + i0;  // index of query i0
      if (plan.consecutive) return fire_bias(network_of(now), first, i1 - i0, keys);
      Tensor distance = distance_block(plan, spans, keys_at, b, i0, i1, keys);
      return fire_bias(network_of(now), distance, plan.seq.positions.slice(0, row + i0, row + i1));
    };
    return bias;
  }

  // Upstream's model-wide init reaches the MLP, which then starts almost flat; the authors' is the framework's default.
  std::vector<Tensor> make_layer(const std::string& prefix, const EncodingContext& context, bool upstream,
                                 double length) const {
    auto init = [&](int64_t fan_in, bool bias) {
      double reach = 1 / std::sqrt(static_cast<double>(fan_in));
      if (!upstream) return Init::uniform(-reach, reach);
      return bias ? Init::zeros() : Init::normal(context.init_deviation);
    };
    Parameters& p = *context.parameters;
    std::vector<Tensor> tensors(kBias2 + 1);
    tensors[kC] = p.add(prefix + "c", {}, Init::constant(0.1));
    tensors[kMultiplier] = p.add(prefix + "L_multiplier", {}, Init::constant(1));
    tensors[kLength] = p.add(prefix + "init_L", {}, Init::constant(length), false);
    tensors[kWeight0] = p.add(prefix + "mlp_fire.0.weight", {hidden_, 1}, init(1, false));
    tensors[kBias0] = p.add(prefix + "mlp_fire.0.bias", {hidden_}, init(1, true));
    tensors[kWeight2] = p.add(prefix + "mlp_fire.2.weight", {context.heads, hidden_}, init(hidden_, false));
    tensors[kBias2] = p.add(prefix + "mlp_fire.2.bias", {context.heads}, init(hidden_, true));
    return tensors;
  }

  int64_t hidden_;
  std::vector<std::vector<Tensor>> layers_;  // by Input
};

}  // namespace

LH_REGISTER(Encodings, "fire",
            "MLP of the normalised log distance: hidden=32, length=512, shared=false, variant=upstream",
            [](Spec& spec, const EncodingContext& context) { return std::make_unique<Fire>(spec, context); });

}  // namespace longhaul
