// Qwen3MoeForCausalLM: Qwen 3 with a mixture of experts in all layers but the named ones.
#include <algorithm>

#include "models/llama_body.h"

namespace longhaul {

namespace {

// Which layers hold a mixture: every decoder_sparse_step-th, without those that mlp_only_layers names.
std::vector<bool> sparse_layers(JsonReader& config, int64_t layers) {
  const int64_t step = size_or(config, "decoder_sparse_step", 1);
  std::vector<int64_t> dense;
  if (config.is_set("mlp_only_layers")) dense = config.integers("mlp_only_layers", 0);
  std::vector<bool> sparse;
  for (int64_t i = 0; i < layers; ++i)
    sparse.push_back((i + 1) % step == 0 && std::count(dense.begin(), dense.end(), i) == 0);
  return sparse;
}

std::unique_ptr<Model> make(HubSource& source) {
  JsonReader& config = source.config;
  LlamaShape shape =
      read_llama(source, "qwen3_moe",
                 {.vocab = 151936, .width = 2048, .hidden = 6144, .layers = 24, .max_positions = 32768, .kv_heads = 4});
  shape.head_norms = true;
  shape.qkv_bias = shape.out_bias = config.boolean_or("attention_bias", false);
  const int64_t window = read_switched_window(config);
  config.ignore("max_window_layers");  // the reference has the window in all layers or none
  shape.windows = read_one_window(config, source.path, shape.layers, window);
  // transformers 5 writes num_local_experts. None: every layer is dense.
  const char* experts = either_key(config, "num_experts", "num_local_experts");
  shape.experts = config.is_set(experts) ? config.integer(experts, 0, kMostParts) : 128;
  shape.chosen = size_or(config, "num_experts_per_tok", 8);
  if (shape.experts > 0 && shape.chosen > shape.experts)
    config.refuse("num_experts_per_tok", str("at most the ", shape.experts, " experts"));
  shape.expert_hidden = size_or(config, "moe_intermediate_size", 768);
  shape.normalize_shares = config.boolean_or("norm_topk_prob", false);
  shape.sparse = sparse_layers(config, shape.layers);
  if (shape.experts == 0) shape.sparse.clear();
  shape.names = {"mlp.gate", "mlp.experts.", "gate_proj", "up_proj", "down_proj"};
  for (const char* training : {"output_router_logits", "router_aux_loss_coef"}) config.ignore(training);
  return make_llama(source, shape);
}

}  // namespace

LH_REGISTER(HubFamilies, "qwen3_moe", "Qwen 3 with a mixture of experts", make);

}  // namespace longhaul
