#include "text/character_pair.h"

#include <algorithm>
#include <optional>

#include "text/utf8.h"
#include "text/word_start.h"

namespace longhaul {

namespace {

constexpr uint32_t kNone = CharacterPairVocabulary::kNone;

// The one character of a text, or nothing.
std::optional<uint32_t> only_character(std::string_view text) {
  if (text.empty()) return std::nullopt;
  Utf8Step step = utf8_step(text);
  if (step.kind != Utf8Step::kCharacter || step.length != text.size()) return std::nullopt;
  const char* at = text.data();
  return next_code_point(at);
}

// What is left of a token between these affixes.
std::optional<std::string_view> between(std::string_view token, std::string_view prefix, std::string_view suffix) {
  bool fits = token.size() >= prefix.size() + suffix.size() && token.starts_with(prefix) && token.ends_with(suffix);
  if (!fits) return std::nullopt;
  return token.substr(prefix.size(), token.size() - prefix.size() - suffix.size());
}

std::vector<uint32_t> character_table(const CharacterPairVocabulary& vocabulary, bool first, bool last) {
  std::vector<uint32_t> table;
  const std::string_view prefix = first ? std::string_view() : std::string_view(vocabulary.continuing_prefix),
                         suffix = last ? std::string_view(vocabulary.end_suffix) : std::string_view();
  for (const auto& [token, id] : vocabulary.tokens) {
    auto text = between(token, prefix, suffix);
    auto code = text ? only_character(*text) : std::nullopt;
    if (!code) continue;
    if (table.size() <= *code) table.resize(*code + 1, kNone);
    table[*code] = id;
  }
  return table;
}

}  // namespace

CharacterPairEncoder::CharacterPairEncoder(const CharacterPairVocabulary& vocabulary)
    : byte_tokens_(vocabulary.byte_tokens),
      prefix_(vocabulary.continuing_prefix),
      suffix_(vocabulary.end_suffix),
      unknown_(vocabulary.unknown),
      fuse_unknown_(vocabulary.fuse_unknown),
      affixes_(!prefix_.empty() || !suffix_.empty()),
      merges_(vocabulary.merges),
      words_(vocabulary.tokens.size()),
      pieces_(vocabulary.ignore_merges ? vocabulary.tokens.size() : 0) {
  for (int i = 0; i < (affixes_ ? 4 : 1); ++i)
    characters_[static_cast<size_t>(i)] = character_table(vocabulary, i & 2, i & 1);
  // The start of a word also ends a run of unknown characters, when it is a token.
  auto start = only_character(kWordStart);
  by_words_ = !affixes_ && symbol_of(*start, true, true) != kNone &&
              std::none_of(vocabulary.tokens.begin(), vocabulary.tokens.end(),
                           [](const auto& token) { return holds_word_start(token.first); });
  // What the merges make of a token's own spelling is what they make of a word spelled so: one look-up instead.
  std::vector<int64_t> ids;
  for (const auto& [token, id] : vocabulary.tokens) {
    if (token.empty()) continue;
    if (vocabulary.ignore_merges) pieces_.add(token, id);
    ids.clear();
    merge(token, ids);
    if (ids.size() == 1 && ids[0] == id) words_.add(token, id);
  }
}

void CharacterPairEncoder::encode(std::string_view piece, size_t readable, std::vector<int64_t>& ids) const {
  if (uint32_t whole = pieces_.find(piece, readable); whole != WordTable::kNone) {
    ids.push_back(whole);
    return;
  }
  if (!by_words_) return encode_word(piece, readable, ids);
  while (!piece.empty()) {
    size_t length = word_length(piece);
    encode_word(piece.substr(0, length), readable, ids);
    piece.remove_prefix(length);
    readable -= length;
  }
}

void CharacterPairEncoder::encode_word(std::string_view word, size_t readable, std::vector<int64_t>& ids) const {
  if (uint32_t id = words_.find(word, readable); id != WordTable::kNone) {
    ids.push_back(id);
  } else {
    merge(word, ids);
  }
}

void CharacterPairEncoder::merge(std::string_view word, std::vector<int64_t>& ids) const {
  thread_local std::vector<uint32_t> symbols;
  symbols.clear();
  append_symbols(word, symbols);
  merge_symbols(merges_, symbols, ids);
}

// The bytes of the affixes too, as Hugging Face's `tokenizers` has it: what has no token is the spelling, not the character.
bool CharacterPairEncoder::append_bytes(std::string_view character, bool first, bool last,
                                        std::vector<uint32_t>& symbols) const {
  if (!affixes_) return append_byte_tokens(byte_tokens_, character, symbols);
  const std::string spelling = (first ? "" : prefix_) + std::string(character) + (last ? suffix_ : "");
  return append_byte_tokens(byte_tokens_, spelling, symbols);
}

// A run of unknown characters is written down when a known one ends it: behind characters in it that became bytes, as
// Hugging Face's `tokenizers` does.
void CharacterPairEncoder::append_symbols(std::string_view word, std::vector<uint32_t>& symbols) const {
  bool waiting = false;
  auto write_unknown = [&] {
    if (waiting) symbols.push_back(unknown_);
    waiting = false;
  };
  for (const char *start = word.data(), *at = start, *end = at + word.size(); at < end;) {
    const char* from = at;
    uint32_t code = next_code_point(at);
    uint32_t symbol = symbol_of(code, from == start, at == end);
    if (symbol != kNone) {
      write_unknown();
      symbols.push_back(symbol);
    } else if (!append_bytes({from, static_cast<size_t>(at - from)}, from == start, at == end, symbols) &&
               unknown_ != kNone) {
      if (!fuse_unknown_) write_unknown();
      waiting = true;
    }
  }
  write_unknown();
}

}  // namespace longhaul
