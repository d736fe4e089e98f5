// Tokens that are found in a text before anything else looks at it: <|endoftext|>, runs of spaces. Found and stretched as
// Hugging Face's `tokenizers` does.
#pragma once
#include <array>
#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace longhaul {

struct AddedToken {
  std::string content;
  uint32_t id = 0;
  bool single_word = false;             // only where no word character stands beside it
  bool lstrip = false, rstrip = false;  // takes the white space before, behind it along
  bool normalized = false;              // looked for in the normalised text, and normalised itself
  bool special = false;                 // plain text when typed, nothing when decoded
};

class AddedTokenFinder {
 public:
  AddedTokenFinder() = default;
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);  // contents must not be empty

  struct Part {
    std::string_view text;  // of the text, or of the token as it stands there
    const AddedToken* token;
  };
  // True when `parts` would hold the text as it is.
  bool finds_nothing(bool with_special) const { return tokens_.empty() || (!with_special && all_special_); }
  // Cuts the text into tokens and what is between them: leftmost first, longest of those. Without `with_special` a special
  // token is text. The text must be UTF-8.
  void split(std::string_view text, bool with_special, std::vector<Part>& parts) const;
  // Whether a text may always be cut between a character that is no space and a ' ' behind it.
  bool respects_cuts() const;

 private:
  size_t next_candidate(std::string_view text, size_t from) const;
  const AddedToken* match(std::string_view text, size_t at) const;
  std::vector<AddedToken> tokens_;                   // longest first
  std::array<std::vector<uint32_t>, 256> by_first_;  // indices, longest first
  std::bitset<65536> pairs_;                         // first byte + 256 * second that some token begins with
  int only_first_ = -1;                              // the one byte that every token begins with
  bool all_special_ = true;
};

}  // namespace longhaul
