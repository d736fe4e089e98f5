// The layers of Llama and of the families that are Llama but for a few settings (Mistral, Mixtral, Qwen 2 and 3, Phi 3): pre-norm
// attention with rotary embedding and grouped heads, then a gated MLP or a mixture of such.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "models/hub_config.h"
#include "models/hub_model.h"
#include "pos/rope_config.h"

namespace longhaul {

// How a family calls the parts of a mixture, behind "model.layers.N.".
struct ExpertNames {
  std::string router;          // "mlp.gate"
  std::string experts;         // "mlp.experts."; an expert is this + number + "." + one of:
  std::string gate, up, down;  // "gate_proj", ...
};

struct LlamaShape {
  std::string family;
  int64_t layers = 0, vocab = 0, hidden = 0, max_positions = 0;
  HeadSizes sizes{};
  double eps = 1e-6;
  Activation activation = Activation::silu;
  bool qkv_bias = false, out_bias = false, mlp_bias = false;
  bool head_norms = false;  // RMS norms of each query and key before the rotation (Qwen 3)
  bool fused = false;       // checkpoints hold queries, keys and values as one matrix, and gate and up (Phi 3)
  bool tied = false;
  std::vector<int64_t> windows;  // of each layer; 0: none. Empty: none at all
  Rope rope;
  bool log_n = false;  // logits times ln(length) / ln(max_positions) (CLEX)
  // A mixture in the layers that `sparse` marks; empty: nowhere.
  std::vector<bool> sparse;
  ExpertNames names;
  int64_t experts = 0, chosen = 0, expert_hidden = 0;
  bool normalize_shares = true;
};

// What all of these families read, with the defaults given here as the family's class has them.
struct LlamaDefaults {
  int64_t vocab = 32000, width = 4096, hidden = 11008, layers = 32, heads = 32, max_positions = 2048;
  int64_t kv_heads = 0;  // 0: as many as heads
  int64_t head_dim = 0;  // 0: width / heads
  double eps = 1e-6;
  RopeFamily rope{};
};
LlamaShape read_llama(HubSource& source, const std::string& family, const LlamaDefaults& defaults);

std::unique_ptr<Model> make_llama(HubSource& source, const LlamaShape& shape);

}  // namespace longhaul
