#include <algorithm>
#include <bit>

#include "base/hash.h"
#include "text/tokenizer_file.h"

namespace longhaul {

namespace {

// Numbers end with a space and texts begin with their length: no two tokenizers are written alike.
class Meaning {
 public:
  template <class... Values>
  void numbers(Values... values) {
    ((all_ += std::to_string(static_cast<int64_t>(values)) + ' '), ...);
  }
  void text(std::string_view part) {
    numbers(part.size());
    all_ += part;
  }
  void score(double score) { numbers(std::bit_cast<int64_t>(score)); }
  std::string hash() const { return hash_hex(all_); }

 private:
  std::string all_;
};

void add_merges(const std::vector<Merge>& merges, Meaning& meaning) {
  meaning.numbers(merges.size());
  for (const Merge& merge : merges) meaning.numbers(merge.left, merge.right, merge.merged, merge.rank);
}

// Tokens' spellings are in TokenizerFile::tokens.
void add_model(const BytePairVocabulary& model, Meaning& meaning) {
  meaning.numbers(model.ignore_merges);
  for (uint32_t id : model.byte_ids) meaning.numbers(id);
  add_merges(model.merges, meaning);
}

void add_model(const CharacterPairVocabulary& model, Meaning& meaning) {
  meaning.numbers(model.unknown, model.fuse_unknown, model.ignore_merges);
  for (uint32_t id : model.byte_tokens) meaning.numbers(id);
  meaning.text(model.continuing_prefix);
  meaning.text(model.end_suffix);
  add_merges(model.merges, meaning);
}

void add_model(const UnigramVocabulary& model, Meaning& meaning) {
  meaning.numbers(model.unknown, model.tokens.size());
  meaning.score(model.unknown_score);
  for (uint32_t id : model.byte_tokens) meaning.numbers(id);
  for (const UnigramToken& token : model.tokens) meaning.score(token.score);
}

void add_model(const WordPieceVocabulary& model, Meaning& meaning) {
  meaning.numbers(model.unknown, model.longest_word);
  meaning.text(model.continuing_prefix);
}

}  // namespace

std::string meaning_hash(const TokenizerFile& file) {
  Meaning meaning;
  meaning.numbers(file.model.index(), file.tokens.size(), file.added.size());
  for (const Token& token : file.tokens) {
    meaning.numbers(token.kind);
    meaning.text(token.text);
  }
  std::visit([&](const auto& model) { add_model(model, meaning); }, file.model);
  for (const AddedToken& token : file.added) {
    meaning.text(token.content);
    meaning.numbers(token.id, token.single_word, token.lstrip, token.rstrip, token.normalized, token.special);
  }
  for (const std::string& part : {file.normalizer.meaning(), file.pretokenizer.meaning(), file.decoder.meaning()}) {
    meaning.text(part);
  }
  for (const auto* around : {&file.before, &file.after}) {
    meaning.numbers(around->size());
    for (int64_t id : *around) meaning.numbers(id);
  }
  meaning.numbers(file.end_of_text);
  return meaning.hash();
}

}  // namespace longhaul
