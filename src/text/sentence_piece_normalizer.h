// The normalizer of a SentencePiece model.
#pragma once
#include <array>
#include <string>
#include <string_view>

#include "text/charsmap.h"
#include "text/sentence_piece_model.h"
#include "text/trie.h"

namespace longhaul {

// Immutable and thread-safe.
class SentencePieceNormalizer {
 public:
  SentencePieceNormalizer(const SentencePieceModel& model, const std::string& where);
  // Replaces characters by the model's rules, trims and joins spaces, puts one in front and writes U+2581 for each, as
  // the model wants it. The text must be UTF-8. Error when a rule makes text that is no UTF-8.
  std::string apply(std::string_view text) const;
  // The user-defined piece that a text begins with, the longest; length 0: none.
  bool has_user_defined() const { return has_user_defined_; }
  Trie::Match user_defined(std::string_view text) const { return user_defined_.longest_prefix(text); }

 private:
  struct Part {
    std::string_view text;  // what it becomes
    size_t length;          // bytes of the input
  };
  Part first_part(std::string_view text) const;
  // Whether the text begins with a character of ASCII that stays what it is, whatever follows.
  bool is_plain(std::string_view text) const {
    return plain_[static_cast<unsigned char>(text[0])] && (text.size() == 1 || (text[1] & 0x80) == 0);
  }
  Charsmap charsmap_;
  Trie user_defined_;            // pieces that are left as they are
  std::array<bool, 256> plain_;  // no rule or user-defined piece begins with this byte and goes on in ASCII
  bool has_user_defined_, add_dummy_prefix_, remove_extra_spaces_, escape_spaces_, space_as_suffix_;
  std::string where_;
};

}  // namespace longhaul
