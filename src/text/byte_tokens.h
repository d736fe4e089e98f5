// The tokens that stand for bytes in vocabularies over characters ("<0x0A>").
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace longhaul {

using ByteTokens = std::array<uint32_t, 256>;  // kNoToken where a byte has none
inline constexpr uint32_t kNoToken = UINT32_MAX;

inline ByteTokens no_tokens() {
  ByteTokens none;
  none.fill(kNoToken);
  return none;
}

// Appends the tokens of these bytes; false, and nothing is appended, when one has none.
template <class Id>
bool append_byte_tokens(const ByteTokens& tokens, std::string_view bytes, std::vector<Id>& ids) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    uint32_t token = tokens[static_cast<unsigned char>(bytes[i])];
    if (token == kNoToken) {
      ids.resize(ids.size() - i);
      return false;
    }
    ids.push_back(token);
  }
  return true;
}

}  // namespace longhaul
