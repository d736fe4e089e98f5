// The two ends of `longhaul convert`: what each makes and says.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "io/safetensors.h"

namespace longhaul {

struct Conversion {
  Json result;                     // for --json
  std::vector<std::string> lines;  // for people
};

// A folder in the Hugging Face layout (safetensors, .bin, shards of either; Mamba as its authors wrote it), as a folder
// with one model.safetensors under Hugging Face's names, config.json and the small files beside them. Floating-point
// tensors become `dtype` where one is given. Nothing is written when `dry`, or when before_each(), called before every
// tensor, throws.
Conversion convert_folder(const std::string& folder, const std::string& output, std::optional<DType> dtype, bool dry,
                          const std::function<void()>& before_each);

}  // namespace longhaul
