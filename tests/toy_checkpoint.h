// Small checkpoints in the Hugging Face layout, with made-up weights, for every family that the hub's registry has here.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"

namespace longhaul {

struct ToyCheckpoint {
  Json config;
  std::map<std::string, std::vector<int64_t>> shapes;  // of its tensors, by name

  // config.json and model.safetensors (f32). Values are a function of name and element alone.
  void write(const std::string& folder) const;
};

// 2 layers, width 16, 4 heads, trained length 32, for model_type `family`.
ToyCheckpoint toy_checkpoint(const std::string& family, int64_t vocab = 23);
std::vector<std::string> toy_families();

}  // namespace longhaul
