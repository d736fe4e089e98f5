// The unigram language model of Kudo (arXiv 1804.10959): of all ways to write a piece with tokens, the one of the
// highest sum of log-probabilities. Of equal sums the one found first: from the left, shorter tokens first.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_tokens.h"
#include "text/trie.h"
#include "text/word_table.h"

namespace longhaul {

struct UnigramToken {
  std::string text;  // "": never matches
  double score;      // log-probability
  uint32_t id;
};

struct UnigramVocabulary {
  static constexpr uint32_t kNone = UINT32_MAX;
  std::vector<UnigramToken> tokens;  // of equal texts the last one counts
  // A run of characters without a token becomes the tokens of its bytes (kNone: there is none), or else one `unknown`.
  ByteTokens byte_tokens = no_tokens();
  uint32_t unknown = kNone;  // kNone: such characters are an error
  double unknown_score = 0;
};

// Sums are kept as Score: double as in Hugging Face's `tokenizers`, float as in SentencePiece; ties fall accordingly.
// Immutable and thread-safe.
template <class Score>
class UnigramEncoder {
 public:
  explicit UnigramEncoder(const UnigramVocabulary& vocabulary);
  // Appends the ids of one piece, which must be UTF-8. Memory: what the longest chain of overlapping tokens needs, and
  // 1 MB a thread for the words that it remembers.
  // `readable` bytes may be read from piece.data() on. Error when there is a character without a token and no unknown
  // token.
  void encode(std::string_view piece, size_t readable, std::vector<int64_t>& ids) const;

 private:
  struct Token {
    Score score;
    uint32_t id;
  };
  struct Node {  // the best way to the place behind a character
    Score score;
    Score second;     // of the best of the other ways, or minus infinity
    uint32_t length;  // of its last token; 0: no way found yet
    uint32_t token;   // its place in tokens_
  };
  struct Scratch;
  class Lattice;
  void append_unknown(std::string_view run, std::vector<int64_t>& ids) const;
  Trie trie_;                  // values are places in tokens_
  std::vector<Token> tokens_;  // the last one: a character without a token
  ByteTokens byte_tokens_;
  Score least_ = 0;
  size_t longest_ = 4;  // bytes of a token or a character
  uint32_t unknown_;
  bool by_words_;    // no token reaches across the start of a word, and no score is above 0
  uint64_t number_;  // of this encoder, whose words a memo holds
  WordTable words_;  // pieces whose best way is one token
};

}  // namespace longhaul
