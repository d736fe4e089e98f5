// LlamaForCausalLM: Llama 1 to 3.2, and the many models that are Llama by another name (CodeLlama, Yi, Vicuna, SmolLM).
#include "models/llama_body.h"

namespace longhaul {

namespace {

std::unique_ptr<Model> make(HubSource& source) {
  LlamaShape shape = read_llama(source, "llama", {});
  shape.qkv_bias = shape.out_bias = source.config.boolean_or("attention_bias", false);
  shape.mlp_bias = source.config.boolean_or("mlp_bias", false);
  if (shape.rope.type == "clex") shape.log_n = source.config.boolean_or("log_scale", true);
  return make_llama(source, shape);
}

}  // namespace

LH_REGISTER(HubFamilies, "llama", "Llama 1 to 3.2 and their kin", make);

}  // namespace longhaul
