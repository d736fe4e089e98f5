// Mamba checkpoints as their authors wrote them, to the names of Hugging Face. architectures.md of the specifications,
// 6.1 to 6.5.
#pragma once
#include <cstdint>
#include <string>

#include "base/json.h"

namespace longhaul {

// Whether this is the config of mamba_ssm (d_model, n_layer, ssm_cfg) or of Mistral's Codestral Mamba (params.json:
// dim, n_layers, n_groups).
bool is_original_mamba(const Json& config);

// The same model's config.json of MambaForCausalLM or Mamba2ForCausalLM. `rows`: of the embedding, padding among them.
// Error, with the key, for what those classes do not have: attention layers, an MLP, LayerNorm.
Json hugging_face_mamba(const Json& original, const std::string& where, int64_t rows);

// Hugging Face's name of a tensor; "" for the head of a model that ties it to the embedding.
std::string hugging_face_mamba_name(const std::string& name, bool tied);

}  // namespace longhaul
