// UTF-8, character by character: what is well formed, what is cut off at the end, what is neither.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace longhaul {

// What stands at the front of some bytes. kCut: they end inside a character that is well formed up to there. kBad: the
// longest ill-formed part that one U+FFFD stands for (Unicode 15, section 3.9, "substitution of maximal subparts": what
// Python's errors="replace", Rust's from_utf8_lossy and every browser do).
struct Utf8Step {
  enum Kind { kCharacter, kCut, kBad } kind;
  size_t length;  // bytes, at least 1
};
Utf8Step utf8_step(std::string_view bytes);  // of at least one byte

// The text with every ill-formed part replaced by U+FFFD; a cut character at the end too.
std::string to_utf8(std::string_view bytes);
bool is_utf8(std::string_view bytes);
// The bytes themselves when they are UTF-8, else to_utf8() of them in `buffer`.
inline std::string_view as_utf8(std::string_view bytes, std::string& buffer) {
  if (is_utf8(bytes)) return bytes;
  return buffer = to_utf8(bytes);
}
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

// The code point at `at` of text that is known to be UTF-8; `at` moves behind it.
inline uint32_t next_code_point(const char*& at) {
  auto byte = [&](int i) { return static_cast<uint32_t>(static_cast<unsigned char>(at[i])); };
  auto low = [&](int i) { return byte(i) & 0x3F; };
  uint32_t lead = byte(0), code = lead;
  size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (length == 2) code = (lead & 0x1F) << 6 | low(1);
  if (length == 3) code = (lead & 0x0F) << 12 | low(1) << 6 | low(2);
  if (length == 4) code = (lead & 0x07) << 18 | low(1) << 12 | low(2) << 6 | low(3);
  at += length;
  return code;
}
// Where the last character of a text that is UTF-8 and not empty begins.
inline size_t start_of_last_character(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}
void append_utf8(uint32_t code_point, std::string& text);

}  // namespace longhaul
