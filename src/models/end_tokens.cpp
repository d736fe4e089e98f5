#include "models/end_tokens.h"

#include "base/files.h"
#include "base/json.h"

namespace longhaul {

std::vector<int64_t> end_tokens(const std::string& folder) {
  constexpr const char* kKey = "eos_token_id";
  for (const char* name : {"generation_config.json", "config.json"}) {
    const std::string path = path_join(folder, name);
    if (!exists(path)) continue;
    const Json json = read_python_json(path);
    JsonReader config(json, path);
    if (!config.is_set(kKey)) continue;
    if (config.value(kKey).is_array()) return config.integers(kKey, 0);
    return {config.integer(kKey, 0)};
  }
  return {};
}

}  // namespace longhaul
