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

// Upper and title case, lower case, letters of no case and marks (which may stand for either), the rest.
enum class LetterCase : uint8_t { kUpper, kLower, kEither, kNone };
LetterCase case_of_code_point(uint32_t code_point);

inline bool is_space(uint32_t code_point) { return class_of_code_point(code_point) == CharacterClass::kSpace; }
inline bool is_number(uint32_t code_point) { return class_of_code_point(code_point) == CharacterClass::kNumber; }
bool is_punctuation(uint32_t code_point);  // \p{P}, and the signs of ASCII that Unicode counts as symbols
bool is_control(uint32_t code_point);      // control, format, private use: Cc, Cf, Co
bool is_mark(uint32_t code_point);         // Mn, Mc, Me
bool is_nonspacing_mark(uint32_t code_point);
uint32_t lowercase_of(uint32_t code_point);  // the simple mapping

// A letter, mark, digit, joiner or connector: what regular expressions call \w (UTS #18, annex C).
bool is_word_character(uint32_t code_point);

// Bytes of white space at the front, at the end of a text that is UTF-8.
size_t length_of_spaces(std::string_view text);
size_t length_of_spaces_at_end(std::string_view text);
// Bytes of the user-perceived character (extended grapheme cluster, UAX #29) that a text begins with; 0 for "".
size_t length_of_cluster(std::string_view text);

enum class NormalForm { kNone, kNFC, kNFD, kNFKC, kNFKD };
// True when `text` is sure to be in that form already: a quick look, false for most other text too.
bool is_surely_normal(std::string_view text, NormalForm form);
// Error when utf8proc cannot (out of memory). The text must be UTF-8.
std::string normalized(std::string_view text, NormalForm form);

}  // namespace longhaul
