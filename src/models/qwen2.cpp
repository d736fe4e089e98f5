// Qwen2ForCausalLM (Qwen 1.5, 2 and 2.5): Llama with biases of queries, keys and values, and windows for the upper layers.
#include "models/llama_body.h"

namespace longhaul {

namespace {

std::unique_ptr<Model> make(HubSource& source) {
  JsonReader& config = source.config;
  LlamaShape shape =
      read_llama(source, "qwen2", {.vocab = 151936, .hidden = 22016, .max_positions = 32768, .kv_heads = 32});
  shape.qkv_bias = true;
  const int64_t window = read_switched_window(config);
  const int64_t full = window > 0 ? config.integer_or("max_window_layers", 28, 0) : 0;
  shape.windows = read_windows(config, shape.layers, window, [&](int64_t i) { return i >= full; });
  return make_llama(source, shape);
}

}  // namespace

LH_REGISTER(HubFamilies, "qwen2", "Qwen 1.5, 2 and 2.5, dense", make);

}  // namespace longhaul
