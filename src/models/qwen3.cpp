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
  const int64_t window = size_or(config, "sliding_window", config.has("sliding_window") ? 0 : 4096);
  const int64_t full = config.integer_or("max_window_layers", 28, 0);
  const bool slides = config.boolean_or("use_sliding_window", false);
  shape.windows = read_windows(config, shape.layers, slides ? window : 0, [&](int64_t i) { return i >= full; });
  return make_llama(source, shape);
}

}  // namespace

LH_REGISTER(HubFamilies, "qwen3", "Qwen 3, dense", make);

}  // namespace longhaul
