// U+2581, which SentencePiece writes for a space: words begin with it.
#pragma once
#include <algorithm>
#include <string_view>

namespace longhaul {

inline constexpr std::string_view kWordStart = "\xE2\x96\x81";

// Whether a word starts inside this token: U+2581 behind anything else. Without such tokens no token reaches across the
// start of a word, and words can be encoded one by one.
inline bool holds_word_start(std::string_view token) {
  for (size_t at = token.find(kWordStart, 1); at != std::string_view::npos; at = token.find(kWordStart, at + 1)) {
    if (!token.substr(0, at).ends_with(kWordStart)) return true;
  }
  return false;
}

// The length of the word that `text` begins with: up to the next U+2581 behind anything else, or all of it.
inline size_t word_length(std::string_view text) {
  size_t at = 0;
  while (text.substr(at).starts_with(kWordStart)) at += kWordStart.size();
  return std::min(text.find(kWordStart, at), text.size());
}

}  // namespace longhaul
