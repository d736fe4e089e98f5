// Byte pair encoding over characters, as SentencePiece and the first BPE models do it (the merging itself:
// byte_pair.h). A character without a token becomes the tokens of its bytes, or the unknown token.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/byte_pair.h"
#include "text/byte_tokens.h"

namespace longhaul {

struct CharacterPairVocabulary {
  static constexpr uint32_t kNone = UINT32_MAX;
  std::vector<std::pair<std::string, uint32_t>> tokens;  // by their spelling, no spelling twice
  std::vector<Merge> merges;
  // The token that stands for each byte ("<0x0A>"); kNone throughout: characters are never written as bytes.
  ByteTokens byte_tokens = no_tokens();
  uint32_t unknown = kNone;   // the token of what has no other; kNone: such characters are left out
  bool fuse_unknown = false;  // neighbouring unknown characters are one token
  bool ignore_merges = false;
  std::string continuing_prefix;  // before every character of a piece but the first ("##")
  std::string end_suffix;         // behind the last one ("</w>")
};

// Immutable and thread-safe.
class CharacterPairEncoder {
 public:
  explicit CharacterPairEncoder(const CharacterPairVocabulary& vocabulary);
  // Appends the ids of one piece, which must be UTF-8. O(n log n) in its length. `readable` bytes may be read from
  // piece.data() on.
  void encode(std::string_view piece, size_t readable, std::vector<int64_t>& ids) const;

 private:
  void encode_word(std::string_view word, size_t readable, std::vector<int64_t>& ids) const;
  void merge(std::string_view word, std::vector<int64_t>& ids) const;
  void append_symbols(std::string_view word, std::vector<uint32_t>& symbols) const;
  bool append_bytes(std::string_view character, bool first, bool last, std::vector<uint32_t>& symbols) const;
  uint32_t symbol_of(uint32_t code, bool first, bool last) const {
    const std::vector<uint32_t>& table = characters_[affixes_ ? 2 * first + last : 0];
    return code < table.size() ? table[code] : CharacterPairVocabulary::kNone;
  }

  std::array<std::vector<uint32_t>, 4> characters_;  // token of a code point; [2 * first + last] with affixes, else [0]
  ByteTokens byte_tokens_;
  std::string prefix_, suffix_;  // the vocabulary's affixes
  uint32_t unknown_;
  bool fuse_unknown_, affixes_;
  bool by_words_;  // no merge reaches across the start of a word: each is encoded alone
  MergeTable merges_;
  WordTable words_;   // words that the merges make one token of
  WordTable pieces_;  // with ignore_merges: every token
};

}  // namespace longhaul
