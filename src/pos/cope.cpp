// CoPE (Golovneva et al. 2024, arXiv 2405.18719): position counted in gates of the logits (ops/cope); its table is read by the
// unscaled query.
#include <ATen/ops/matmul.h>

#include "ops/attention/rewritten_attention.h"
#include "ops/cope/cope.h"
#include "pos/encoding.h"

namespace longhaul {

namespace {

class Cope : public Encoding {
 public:
  Cope(Spec& spec, const EncodingContext& context) {
    int64_t positions = spec.integer("max", 64);
    check(positions >= 2, "cope: max must be at least 2, got ", positions);
    for (int64_t i = 0; i < context.layers; ++i)
      tables_.push_back(context.parameters->add(context.attention_prefix(i) + "cope_embed",
                                                {context.head_dim, positions}, Init::zeros()));
  }

  Tensor attend(int64_t layer, const AttentionCall& call) const override {
    LogitRewrite rewrite;
    rewrite.inputs = {tables_[static_cast<size_t>(layer)]};
    rewrite.apply = [](const LogitBlock& block, const std::vector<Tensor>& inputs) {
      return add_counted_positions(block.logits, at::matmul(block.q, inputs[0]), block.i0);
    };
    return rewritten_attention(call.q, call.k, call.v, *call.spans, {}, call.options, rewrite);
  }

  Traits traits() const override {
    Traits traits;
    traits.reads_positions = false;
    return traits;
  }

 private:
  std::vector<Tensor> tables_;  // [D, max], for all heads of a layer
};

}  // namespace

LH_REGISTER(Encodings, "cope", "contextual positions, counted by gates of the logits: max=64",
            [](Spec& spec, const EncodingContext& context) { return std::make_unique<Cope>(spec, context); });

}  // namespace longhaul
