// AliBi2: ALiBi whose slope the query chooses, -softplus(W x_i + b) (i - j). An unpublished ablation of CABLE's authors: its
// query weight without its increments (specs/cable.md section 2).
#include <ATen/ops/linear.h>
#include <ATen/ops/softplus.h>

#include "pos/encoding.h"

namespace longhaul {

namespace {

class Alibi2 : public Encoding {
 public:
  Alibi2(Spec&, const EncodingContext& context) : heads_(context.heads) {
    for (int64_t i = 0; i < context.layers; ++i) {
      std::string prefix = context.attention_prefix(i) + "alibi_scale.";
      layers_.push_back({context.parameters->add(prefix + "weight", {context.heads, context.width},
                                                 Init::normal(context.init_deviation)),
                         context.parameters->add(prefix + "bias", {context.heads}, Init::zeros())});
    }
  }

  Bias bias(int64_t layer, const AttentionCall& call) const override {
    const Layer& own = layers_[static_cast<size_t>(layer)];
    Tensor s = call.key_positions().neg().unsqueeze(1).expand({-1, heads_});
    return SeparableBias{at::softplus(at::linear(call.x, own.weight, own.bias)), s};
  }

  bool reads_input() const override { return true; }
  Traits traits() const override { return {.causal_only = false}; }

 private:
  struct Layer {
    Tensor weight, bias;  // [H, C], [H]
  };
  int64_t heads_;
  std::vector<Layer> layers_;
};

}  // namespace

LH_REGISTER(Encodings, "alibi2", "linear distance penalty whose slope the query's hidden state decides",
            [](Spec& spec, const EncodingContext& context) { return std::make_unique<Alibi2>(spec, context); });

}  // namespace longhaul
