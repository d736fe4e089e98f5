// The ids that end a text of a model.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace longhaul {

// eos_token_id, a number or a list, of the folder's generation_config.json, else of its config.json; none when neither says it.
std::vector<int64_t> end_tokens(const std::string& folder);

}  // namespace longhaul
