// Byte-level BPE tokenizers as Hugging Face writes them: tokenizer.json, or GPT-2's vocab.json and merges.txt.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/byte_pair.h"
#include "text/pretokenizer.h"
#include "text/unicode.h"

namespace longhaul {

struct Token {
  enum Kind : uint8_t { kNone, kPlain, kSpecial } kind = kNone;  // kNone: no token has this id
  std::string bytes;                                             // what it decodes to
};

// Everything that decides ids and text.
struct TokenizerFile {
  std::vector<Token> tokens;  // by id; spelled-out bytes
  BytePairVocabulary vocabulary;
  std::vector<AddedToken> added;
  NormalForm normal_form = NormalForm::kNone;
  Pretokenizer pretokenizer;
  std::vector<int64_t> before, after;  // what the template puts around a text
  int64_t end_of_text = -1;
  std::string hash;  // of all that is above
};

inline constexpr int64_t kLargestVocabulary = 1 << 20;

// `path` is a tokenizer.json, a vocab.json with merges.txt beside it, or a folder that holds either. The id between documents
// is <|endoftext|> or <|end_of_text|> where there is such a token, else eos_token of the tokenizer_config.json beside.
// Error, naming the piece, when the file is broken or uses what is not byte-level BPE.
TokenizerFile read_tokenizer_file(const std::string& path);
// The text of a tokenizer.json. `end_of_text`: the spelling of the id between documents, used when no well-known one exists.
TokenizerFile parse_tokenizer_json(std::string_view text, const std::string& where,
                                   const std::string& end_of_text = "");

}  // namespace longhaul
