// MistralForCausalLM: Llama with a window over all layers, and no biases.
#include "models/llama_body.h"

namespace longhaul {

namespace {

std::unique_ptr<Model> make(HubSource& source) {
  LlamaShape shape = read_llama(source, "mistral", {.hidden = 14336, .max_positions = 131072, .kv_heads = 8});
  // A missing key is the class's window; null is none (v0.2 and later). A file with layer_types is read by the reference's
  // Ministral, which is this class but that its layers go by them.
  const int64_t window = window_or(source.config, 4096);
  shape.windows = read_windows(source.config, shape.layers, window, [](int64_t) { return true; });
  for (const char* bias : {"attention_bias", "mlp_bias"}) only_flag(source.config, bias, false);
  return make_llama(source, shape);
}

}  // namespace

LH_REGISTER(HubFamilies, "mistral", "Mistral 7B and kin: Llama with a sliding window", make);

}  // namespace longhaul
