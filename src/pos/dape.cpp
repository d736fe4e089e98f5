// DAPE: a network over the logits A and a base encoding's bias B decides the bias. Version 1 (Zheng et al. 2024, arXiv 2405.14722):
// A + B + MLP([A; B]) for each pair. Version 2 (arXiv 2410.04798): the same with two convolutions over three neighbouring keys.
#include <ATen/ops/add.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/leaky_relu.h>

#include "ops/attention/rewritten_attention.h"
#include "ops/dape/dape.h"
#include "pos/over_base.h"

namespace longhaul {

namespace {

Tensor key_convolutions(const Tensor& x, const std::vector<Tensor>& w) {
  const int64_t pad[] = {0, 1}, one[] = {1, 1};
  Tensor hidden = at::leaky_relu(at::conv2d(x.unsqueeze(0), w[0], w[1], one, pad), 0.01);
  return at::conv2d(hidden, w[2], forgotten_by_softmax(w[3]), one, pad).squeeze(0);
}

class Dape : public OverBase {
 public:
  Dape(Spec& spec, const EncodingContext& context) : OverBase(make_encoding(spec.nested("base", "kerple"), context)) {
    std::string version = spec.choice("version", {"1", "2"}, "1");
    // The released classes of CABLE's authors leave the plain B out (specs/cable.md section 2).
    adds_bias_ = spec.choice("variant", {"standard", "upstream"}, "standard") == "standard";
    hidden_ = spec.integer("hidden", 32);
    check(hidden_ >= 1, "dape: hidden must be at least 1, got ", hidden_);
    convolves_ = version == "2";
    for (const char* network : {"mlp_dape.", "conv_dape."})
      check(!context.parameters->has(context.attention_prefix(0) + network + "0.weight"),
            "dape: its base must add a bias to the logits, dape itself rewrites them");
    for (int64_t i = 0; i < context.layers; ++i) layers_.push_back(make_layer(context.attention_prefix(i), context));
  }

  Tensor attend(int64_t layer, const AttentionCall& call) const override {
    Bias base = base_->bias(layer, call);
    check(!std::holds_alternative<std::monostate>(base),
          "dape: its base must add a bias to the logits, as kerple, alibi, fire or cable do");
    LogitRewrite rewrite;
    rewrite.inputs = layers_[static_cast<size_t>(layer)];
    if (convolves_) rewrite.channels = (hidden_ + call.q.size(1) - 1) / call.q.size(1) + 2;
    rewrite.apply = [adds_bias = adds_bias_, convolves = convolves_, total = call.plan->seq.total](
                        const LogitBlock& block, const std::vector<Tensor>& w) {
      const Tensor bias = block.bias.expand_as(block.logits);
      if (!convolves) return dape(block.logits, bias, {w[0], w[1], w[2], forgotten_by_softmax(w[3])}, adds_bias);
      // Keys after the query are zeros; the one right after it is there unless the sequence ends with the query.
      Tensor pairs = at::cat({block.logits, bias}).masked_fill(block.hidden, 0);
      const int64_t keys = pairs.size(2);
      if (keys < total[static_cast<size_t>(block.b)]) pairs = at::constant_pad_nd(pairs, {0, 1});
      const Tensor sum = block.logits + key_convolutions(pairs, w).narrow(2, 0, keys);
      return adds_bias ? sum + bias : sum;
    };
    return rewritten_attention(call.q, call.k, call.v, *call.spans, base, call.options, rewrite);
  }

  // bias() is the base's: what the network reads, not what it adds.

  Traits traits() const override {
    Traits traits = base_->traits();
    traits.causal_only = true;
    if (convolves_) {
      traits.needs_total = true;
      traits.note =
          "the last key of a sequence has no right neighbour, so its weights depend on where the sequence ends";
    }
    return traits;
  }

 private:
  std::vector<Tensor> make_layer(const std::string& prefix, const EncodingContext& context) const {
    Parameters& p = *context.parameters;
    Init normal = Init::normal(context.init_deviation);
    std::string name = prefix + (convolves_ ? "conv_dape." : "mlp_dape.");
    auto shape = [&](int64_t out, int64_t in) {
      return convolves_ ? std::vector<int64_t>{out, in, 1, 3} : std::vector<int64_t>{out, in};
    };
    return {p.add(name + "0.weight", shape(hidden_, 2 * context.heads), normal),
            p.add(name + "0.bias", {hidden_}, Init::zeros()),
            p.add(name + "2.weight", shape(context.heads, hidden_), normal),
            p.add(name + "2.bias", {context.heads}, Init::zeros())};
  }

  bool adds_bias_, convolves_;
  int64_t hidden_;
  std::vector<std::vector<Tensor>> layers_;  // weight, bias, weight, bias
};

}  // namespace

LH_REGISTER(Encodings, "dape",
            "a network over logits and a base's bias: base=(kerple), version=1|2, hidden=32, variant=upstream",
            [](Spec& spec, const EncodingContext& context) { return std::make_unique<Dape>(spec, context); });

}  // namespace longhaul
