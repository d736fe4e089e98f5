#include "text/word_piece.h"

#include <algorithm>

namespace longhaul {

namespace {

int64_t characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; });
}

}  // namespace

WordPieceEncoder::WordPieceEncoder(const WordPieceVocabulary& vocabulary)
    : words_(vocabulary.tokens.size()), unknown_(vocabulary.unknown), longest_word_(vocabulary.longest_word) {
  const std::string& prefix = vocabulary.continuing_prefix;
  std::vector<std::pair<std::string_view, uint32_t>> first, continuing;
  for (const auto& [token, id] : vocabulary.tokens) {
    first.emplace_back(token, id);
    if (token.starts_with(prefix)) continuing.emplace_back(std::string_view(token).substr(prefix.size()), id);
    if (!token.empty() && characters(token) <= longest_word_) words_.add(token, id);
  }
  first_ = Trie(std::move(first));
  continuing_ = Trie(std::move(continuing));
}

void WordPieceEncoder::encode(std::string_view word, size_t readable, std::vector<int64_t>& ids) const {
  if (uint32_t whole = words_.find(word, readable); whole != WordTable::kNone) {
    ids.push_back(whole);
    return;
  }
  const size_t start = ids.size();
  auto unknown = [&] {
    ids.resize(start);
    ids.push_back(unknown_);
  };
  if (characters(word) > longest_word_) return unknown();
  for (size_t at = 0; at < word.size();) {
    Trie::Match match = (at == 0 ? first_ : continuing_).longest_prefix(word.substr(at));
    if (match.length == 0) return unknown();
    ids.push_back(match.value);
    at += match.length;
  }
}

}  // namespace longhaul
