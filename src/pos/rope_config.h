// Rotary embedding from a config.json of the Hugging Face layout, in either spelling:
//   transformers 4: rope_theta, rope_scaling {rope_type (or type), ...}, partial_rotary_factor beside it
//   transformers 5: rope_parameters {rope_theta, rope_type, partial_rotary_factor, ...}
#pragma once
#include <map>
#include <string>

#include "base/json.h"
#include "pos/rope_policy.h"

namespace longhaul {

// What a family's class says where its config says nothing, and what it calls things.
struct RopeFamily {
  double theta = 10000;
  // Share of the head's dimensions that turn, and whether its class lets a config say otherwise: most do not look at the key.
  double partial = 1;
  bool partly = false;
  int64_t original_positions = 0;  // original_max_position_embeddings; 0: max_position_embeddings
  std::string theta_key = "rope_theta", partial_key = "partial_rotary_factor";
  std::map<std::string, std::string> types{};  // other names of types (Phi-3: "yarn" means longrope)
  RotaryLayout layout = RotaryLayout::half;
  bool anew = false;  // as Rope
  // Of families whose layers differ: which part of rope_parameters is meant ({"full_attention": {...}, ...}), where it has
  // parts, and whether rope_scaling, the old spelling, is for these layers.
  std::string part{};
  bool scaled = true;
};

// Every key is read or the error of an unknown one. Dimensions that turn: int(head_dim * partial).
Rope read_rope(JsonReader& config, const RopeFamily& family, int64_t head_dim, int64_t max_positions);

}  // namespace longhaul
