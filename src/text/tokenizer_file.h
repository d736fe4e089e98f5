// Tokenizers as files describe them: Hugging Face's tokenizer.json, GPT-2's vocab.json and merges.txt, Mistral's
// tekken.json.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/added_tokens.h"
#include "text/byte_pair.h"
#include "text/character_pair.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"
#include "text/token_decoder.h"
#include "text/unigram.h"
#include "text/word_piece.h"

namespace longhaul {

struct Token {
  enum Kind : uint8_t { kNone, kPlain, kSpecial } kind = kNone;  // kNone: no token has this id
  std::string text;                                              // as the decoder gets it
};

using TokenizerModel =
    std::variant<BytePairVocabulary, CharacterPairVocabulary, UnigramVocabulary, WordPieceVocabulary>;

// Everything that decides ids and text.
struct TokenizerFile {
  std::vector<Token> tokens;  // by id
  TokenizerModel model;
  std::vector<AddedToken> added;
  Normalizer normalizer;
  Pretokenizer pretokenizer;
  TokenDecoder decoder;
  std::vector<int64_t> before, after;  // what the template puts around a text
  int64_t end_of_text = -1;
  std::string hash;  // of all that is above

  bool has_token(int64_t id) const {
    return 0 <= id && id < static_cast<int64_t>(tokens.size()) && tokens[static_cast<size_t>(id)].kind != Token::kNone;
  }
  void put_token(int64_t id, Token token) {
    if (tokens.size() <= static_cast<size_t>(id)) tokens.resize(static_cast<size_t>(id) + 1);
    tokens[static_cast<size_t>(id)] = std::move(token);
  }
};

inline constexpr int64_t kLargestVocabulary = 1 << 20;

// What a tokenizer_config.json adds to a tokenizer.
struct TokenizerConfig {
  std::string end_of_text;  // spelling of eos_token, the id between documents when no well-known one exists; "": none
  Json added_tokens;        // added_tokens_decoder: {"50256": {"content": ...}}; null: none
  std::string beginning{};  // spelling of bos_token; "": none
  // What goes around a text, where the file does not say it (tokenizer.model, vocab.json), or where `tokenizer_class`
  // decides it whatever the file says (Llama's, Code Llama's and Gemma's). None: as that class has it.
  std::optional<bool> add_bos_token{}, add_eos_token{};
  bool decides_ends = false;
  bool add_prefix_space = false;  // of a vocab.json
};
// The one in that folder; the defaults when there is none. Error when it is broken.
TokenizerConfig read_tokenizer_config(const std::string& folder);

// The tokens that the files of a folder add behind a vocabulary of so many ids: added_tokens.json, and the config's. Error when two
// have one id or one content.
std::vector<AddedToken> tokens_behind(int64_t vocabulary, const std::string& folder, const TokenizerConfig& config);

// The text of a tokenizer.json. The id between documents is <|endoftext|> or <|end_of_text|> where there is such a
// token, else the config's. Error, naming the piece, when it is broken or has a piece that is not supported.
TokenizerFile parse_tokenizer_json(std::string_view text, const std::string& where, const TokenizerConfig& config = {});
// A vocab.json with a merges.txt beside it; the special tokens are those of its folder (special_tokens_map.json).
TokenizerFile read_gpt2_files(const std::string& vocab_path, const TokenizerConfig& config);
// The text of a tekken.json: tokens by rank, merged as tiktoken does.
TokenizerFile parse_tekken_json(std::string_view text, const std::string& where);

std::string meaning_hash(const TokenizerFile& file);

}  // namespace longhaul
