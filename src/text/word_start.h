// U+2581, which SentencePiece writes for a space: words begin with it.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
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

// Where the first U+2581 at or behind `at` is, or the text's length. Eight bytes at a time: words are short.
inline size_t find_word_start(std::string_view text, size_t at) {
  constexpr uint64_t kOnes = 0x0101010101010101u, kHigh = 0x8080808080808080u;
  for (uint64_t bytes; at + 8 <= text.size(); at += 8) {
    std::memcpy(&bytes, text.data() + at, 8);
    bytes ^= kOnes * static_cast<unsigned char>(kWordStart[0]);
    const uint64_t zeros = (bytes - kOnes) & ~bytes & kHigh;  // the lowest one is exact
    if (zeros == 0) continue;
    at += static_cast<size_t>(std::countr_zero(zeros)) / 8;
    if (text.substr(at).starts_with(kWordStart)) return at;
    at -= 7;  // 0xE2 begins other characters too
  }
  return std::min(text.find(kWordStart, at), text.size());
}

// The length of the word that `text` begins with: up to the next U+2581 behind anything else, or all of it.
inline size_t word_length(std::string_view text) {
  size_t at = 0;
  while (text.substr(at).starts_with(kWordStart)) at += kWordStart.size();
  return find_word_start(text, at);
}

}  // namespace longhaul
