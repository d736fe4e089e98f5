#include "text/byte_alphabet.h"

#include <array>

#include "text/utf8.h"

namespace longhaul {

namespace {

// Printable bytes of Latin-1 stand for themselves, the others for U+0100 and on, in order.
struct Alphabet {
  std::array<uint32_t, 256> code_point;
  std::array<int, 512> byte;  // -1: none
  Alphabet() {
    byte.fill(-1);
    uint32_t next = 256;
    for (uint32_t b = 0; b < 256; ++b) {
      bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD);
      code_point[b] = printable ? b : next++;
      byte[code_point[b]] = static_cast<int>(b);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet alphabet;
  return alphabet;
}

}  // namespace

std::string spelling_of(unsigned char byte) {
  std::string text;
  append_utf8(alphabet().code_point[byte], text);
  return text;
}

std::optional<std::string> bytes_of_spelling(std::string_view token) {
  std::string bytes;
  for (const char *at = token.data(), *end = at + token.size(); at < end;) {
    uint32_t code = next_code_point(at);
    if (code >= 512 || alphabet().byte[code] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(alphabet().byte[code]));
  }
  return bytes;
}

}  // namespace longhaul
