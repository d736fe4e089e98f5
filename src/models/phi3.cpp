// Phi3ForCausalLM (Phi 3, 3.5 and 4): Llama whose checkpoints hold fused matrices, part of each head rotary, a window over all layers.
#include "models/llama_body.h"

namespace longhaul {

namespace {

std::unique_ptr<Model> make(HubSource& source) {
  RopeFamily rope;
  rope.original_positions = 4096;
  rope.partly = true;
  rope.anew = true;                     // the reference drops its cache where the long factors begin
  rope.types = {{"yarn", "longrope"}};  // what the first files called it
  LlamaShape shape =
      read_llama(source, "phi3",
                 {.vocab = 32064, .width = 3072, .hidden = 8192, .max_positions = 4096, .eps = 1e-5, .rope = rope});
  shape.fused = true;
  for (const char* bias : {"attention_bias", "mlp_bias", "lm_head_bias"}) only_flag(source.config, bias, false);
  for (const char* key : {"full_attn_mod", "interpolate_factor"}) source.config.ignore(key);  // no version reads them
  const int64_t window = window_or(source.config, 0);
  shape.windows = read_one_window(source.config, source.path, shape.layers, window);
  return make_llama(source, shape);
}

}  // namespace

LH_REGISTER(HubFamilies, "phi3", "Phi 3, 3.5 and 4", make);

}  // namespace longhaul
