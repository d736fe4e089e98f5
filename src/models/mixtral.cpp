// MixtralForCausalLM: Mistral whose MLPs are mixtures of experts.
#include "models/llama_body.h"

namespace longhaul {

namespace {

std::unique_ptr<Model> make(HubSource& source) {
  JsonReader& config = source.config;
  LlamaShape shape =
      read_llama(source, "mixtral",
                 {.hidden = 14336, .max_positions = 131072, .kv_heads = 8, .eps = 1e-5, .rope = {.theta = 1e6}});
  const int64_t window = window_or(config, 0);
  shape.windows = read_one_window(config, source.path, shape.layers, window);
  shape.experts = size_or(config, "num_local_experts", 8, kMostParts);
  shape.chosen = size_or(config, "num_experts_per_tok", 2);
  if (shape.chosen > shape.experts)
    config.refuse("num_experts_per_tok", str("at most the ", shape.experts, " experts"));
  shape.expert_hidden = shape.hidden;
  shape.sparse.assign(static_cast<size_t>(shape.layers), true);
  // As transformers 5 may save it, under the names that it has in memory.
  const bool renamed = source.files.has("model.layers.0.mlp.gate.weight");
  shape.names = {renamed ? "mlp.gate" : "block_sparse_moe.gate", "block_sparse_moe.experts.", "w1", "w3", "w2"};
  for (const char* training : {"output_router_logits", "router_aux_loss_coef", "router_jitter_noise"})
    config.ignore(training);
  for (const char* bias : {"attention_bias", "mlp_bias"}) only_flag(config, bias, false);
  return make_llama(source, shape);
}

}  // namespace

LH_REGISTER(HubFamilies, "mixtral", "Mixtral 8x7B and kin: Mistral with a mixture of experts", make);

}  // namespace longhaul
