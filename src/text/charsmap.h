// The character replacements that SentencePiece compiles into its models: a double array (darts-clone) over UTF-8 whose
// values are places in a list of texts.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace longhaul {

// Immutable and thread-safe.
class Charsmap {
 public:
  Charsmap() = default;  // replaces nothing
  // u32 (little endian): bytes of the array; the array, u32 each; the texts, each ended by a 0. Error when it is not
  // that.
  Charsmap(std::string_view bytes, const std::string& where);

  struct Rule {
    size_t length;  // bytes of the text that are replaced
    std::string_view replacement;
  };
  // The rule for the shortest, the longest text that this one begins with. Error when the array points out of the list.
  std::optional<Rule> shortest(std::string_view text) const { return find(text, true); }
  std::optional<Rule> longest(std::string_view text) const { return find(text, false); }
  // Whether a rule may fit this character of ASCII alone, or with one of ASCII behind it.
  bool may_replace_ascii(char c) const;
  bool empty() const { return units_.empty(); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  std::optional<Rule> find(std::string_view text, bool first) const;
  uint32_t child(uint32_t base, unsigned char byte) const;  // its place in the array
  std::string_view replacement_at(uint32_t place) const;
  std::vector<uint32_t> units_;
  std::string texts_, where_;
};

// Error when it is no base64 (RFC 4648, padded or not).
std::string bytes_of_base64(std::string_view text, const std::string& where);

}  // namespace longhaul
