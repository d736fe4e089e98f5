// Qwen3ForCausalLM: Qwen 2 with norms of each query and key, a head size of its own, and biases only on request.
#include "models/llama_body.h"

namespace longhaul {

namespace {

std::unique_ptr<Model> make(HubSource& source) {
  JsonReader& config = source.config;
  LlamaShape shape = read_llama(
      source, "qwen3", {.vocab = 151936, .hidden = 22016, .max_positions = 32768, .kv_heads = 32, .head_dim = 128});
  shape.head_norms = true;
  shape.qkv_bias = shape.out_bias = config.boolean_or("attention_bias", false);
  const int64_t window = read_switched_window(config);
  const int64_t full = window > 0 ? config.integer_or("max_window_layers", 28, 0) : 0;
  shape.windows = read_windows(config, shape.layers, window, [&](int64_t i) { return i >= full; });
  return make_llama(source, shape);
}

}  // namespace

LH_REGISTER(HubFamilies, "qwen3", "Qwen 3, dense", make);

}  // namespace longhaul
