// What Unicode says about characters (utf8proc): classes that pre-tokenizers tell apart, and normal forms.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "text/utf8.h"

namespace longhaul {

enum class CharacterClass : uint8_t { kLetter, kNumber, kSpace, kOther };  // \p{L}, \p{N}, White_Space, the rest

extern const CharacterClass kAsciiClasses[128];
CharacterClass class_of_code_point(uint32_t code_point);

// The class of the character at `at`, which is moved behind it. The text must be UTF-8.
inline CharacterClass next_class(const char*& at) {
  auto byte = static_cast<unsigned char>(*at);
  if (byte >= 128) return class_of_code_point(next_code_point(at));
  ++at;
  return kAsciiClasses[byte];
}

// A letter, mark, digit, joiner or connector: what regular expressions call \w (UTS #18, annex C).
bool is_word_character(uint32_t code_point);

enum class NormalForm { kNone, kNFC, kNFD, kNFKC, kNFKD };
// True when `text` is sure to be in that form already: a quick look, false for most other text too.
bool is_surely_normal(std::string_view text, NormalForm form);
// Error when utf8proc cannot (out of memory). The text must be UTF-8.
std::string normalized(std::string_view text, NormalForm form);

}  // namespace longhaul
