#include "text/charsmap.h"

#include "base/error.h"

namespace longhaul {

namespace {

uint32_t u32_at(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// The fields of a darts-clone unit.
bool has_leaf(uint32_t unit) { return unit >> 8 & 1; }
uint32_t label(uint32_t unit) { return unit & (uint32_t{1} << 31 | 0xFF); }
uint32_t offset(uint32_t unit) { return unit >> 10 << ((unit & 1 << 9) >> 6); }
uint32_t leaf_value(uint32_t unit) { return unit & 0x7FFFFFFF; }

}  // namespace

Charsmap::Charsmap(std::string_view bytes, const std::string& where) : where_(where) {
  check(bytes.size() > 4, where, ": wanted the size of an array in 4 bytes and the array, found ", bytes.size(),
        " bytes");
  uint32_t size = u32_at(bytes, 0);
  check(size % 4 == 0 && size > 0 && size < bytes.size() - 4, where, ": wanted an array of u32 and texts in ",
        bytes.size(), " bytes, found an array of ", size, " bytes");
  for (size_t at = 4; at < 4 + size_t{size}; at += 4) units_.push_back(u32_at(bytes, at));
  texts_ = bytes.substr(4 + size_t{size});
  check(texts_.back() == '\0', where, ": the last replacement has no end");
}

uint32_t Charsmap::child(uint32_t base, unsigned char byte) const {
  const uint32_t at = base ^ byte;
  return at < units_.size() && label(units_[at]) == byte ? at : kNone;
}

std::optional<Charsmap::Rule> Charsmap::find(std::string_view text, bool first) const {
  if (units_.empty()) return std::nullopt;
  std::optional<Rule> found;
  uint32_t at = offset(units_[0]);
  for (size_t i = 0; i < text.size() && text[i] != '\0'; ++i) {
    at = child(at, static_cast<unsigned char>(text[i]));
    if (at == kNone) break;
    bool ends = has_leaf(units_[at]);
    at ^= offset(units_[at]);
    if (!ends) continue;
    check(at < units_.size(), where_, ": the array points outside itself");
    found = Rule{i + 1, replacement_at(leaf_value(units_[at]))};
    if (first) break;
  }
  return found;
}

bool Charsmap::may_replace_ascii(char c) const {
  if (units_.empty()) return false;
  const uint32_t at = child(offset(units_[0]), static_cast<unsigned char>(c));
  if (at == kNone) return false;
  bool found = has_leaf(units_[at]);
  for (unsigned char next = 1; next < 0x80; ++next) found |= child(at ^ offset(units_[at]), next) != kNone;
  return found;
}

std::string_view Charsmap::replacement_at(uint32_t place) const {
  check(place < texts_.size(), where_, ": the array points behind the last replacement");
  return texts_.data() + place;  // ends at its 0
}

std::string bytes_of_base64(std::string_view text, const std::string& where) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    size_t digit = digits.find(c);
    check(digit != std::string_view::npos, where, ": wanted base64");
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) bytes.push_back(static_cast<char>(bits >> (count -= 8) & 0xFF));
  }
  return bytes;
}

}  // namespace longhaul
