// WordPiece (Schuster and Nakajima 2012; BERT): the longest token that a word begins with, then the longest that
// continues it, to the word's end; a word that cannot be written so is the unknown token as a whole.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/byte_pair.h"
#include "text/trie.h"

namespace longhaul {

struct WordPieceVocabulary {
  std::vector<std::pair<std::string, uint32_t>> tokens;  // by their spelling, no spelling twice
  std::string continuing_prefix = "##";                  // of tokens that continue a word
  uint32_t unknown = 0;
  int64_t longest_word = 100;  // characters; longer ones are unknown
};

// Immutable and thread-safe.
class WordPieceEncoder {
 public:
  explicit WordPieceEncoder(const WordPieceVocabulary& vocabulary);
  // Appends the ids of one word, which must be UTF-8. `readable` bytes may be read from word.data() on.
  void encode(std::string_view word, size_t readable, std::vector<int64_t>& ids) const;

 private:
  Trie first_, continuing_;
  WordTable words_;
  uint32_t unknown_;
  int64_t longest_word_;
};

}  // namespace longhaul
