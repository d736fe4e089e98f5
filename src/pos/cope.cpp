// CoPE (Golovneva et al. 2024, arXiv 2405.18719): position counted in gates. gate_ij = sigmoid(q_i.k_j scale), p_ij = gate_ij + ...
// + gate_ii clamped to max - 1, and q_i . e[p_ij], interpolated between whole p, is added to the logit.
#include <ATen/ops/ceil.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/sigmoid.h>

#include "ops/attention/rewritten_attention.h"
#include "pos/encoding.h"

namespace longhaul {

namespace {

Tensor add_counted_positions(const LogitBlock& block, const Tensor& table) {
  Tensor gates = at::sigmoid(block.logits).masked_fill(block.hidden, 0);
  Tensor position = at::clamp(at::flip(at::cumsum(at::flip(gates, {-1}), -1), {-1}), std::nullopt, table.size(1) - 1);
  Tensor weights = at::matmul(block.q, table);  // [H, R, max]: q unscaled
  Tensor below = at::floor(position.detach()), above = at::ceil(position.detach());
  Tensor from = at::gather(weights, -1, below.to(at::kLong)), to = at::gather(weights, -1, above.to(at::kLong));
  return block.logits + at::lerp(from, to, position - below);
}

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
      return add_counted_positions(block, inputs[0]);
    };
    rewrite.channels = 4;
    return rewritten_attention(call.q, call.k, call.v, *call.spans, {}, call.options, rewrite);
  }

 private:
  std::vector<Tensor> tables_;  // [D, max], for all heads of a layer
};

}  // namespace

LH_REGISTER(Encodings, "cope", "contextual positions, counted by gates of the logits: max=64",
            [](Spec& spec, const EncodingContext& context) { return std::make_unique<Cope>(spec, context); });

}  // namespace longhaul
