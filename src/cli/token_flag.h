// A number of tokens as a flag gives it.
#pragma once
#include <cstdint>
#include <string>

#include "engine/text_sample.h"

namespace longhaul {

inline constexpr int64_t kMostTargets = int64_t{1} << 48;  // of a split

// "512", "4k" -> 512, 4096. Error "--context: wanted 1 to 4,096, got 0" for one outside [1, most].
int64_t parse_tokens(const std::string& text, const std::string& flag, int64_t most = kMostTokens);

}  // namespace longhaul
