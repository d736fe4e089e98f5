#include "text/sentence_piece_normalizer.h"

#include "base/error.h"
#include "text/utf8.h"
#include "text/word_start.h"

namespace longhaul {

namespace {

Trie user_defined_pieces(const SentencePieceModel& model) {
  std::vector<std::pair<std::string_view, uint32_t>> entries;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& piece = model.pieces[id];
    if (piece.type == SentencePieceModel::Piece::kUserDefined)
      entries.emplace_back(piece.text, static_cast<uint32_t>(id));
  }
  return Trie(std::move(entries));
}

std::array<bool, 256> plain_bytes(const SentencePieceModel& model, const Charsmap& charsmap) {
  std::array<bool, 256> plain{};
  for (int c = 1; c < 0x80; ++c) plain[static_cast<size_t>(c)] = !charsmap.may_replace_ascii(static_cast<char>(c));
  for (const auto& piece : model.pieces)
    if (piece.type == SentencePieceModel::Piece::kUserDefined && !piece.text.empty())
      plain[static_cast<unsigned char>(piece.text[0])] = false;
  return plain;
}

}  // namespace

SentencePieceNormalizer::SentencePieceNormalizer(const SentencePieceModel& model, const std::string& where)
    : charsmap_(model.charsmap.empty() ? Charsmap() : Charsmap(model.charsmap, where + ": precompiled_charsmap")),
      user_defined_(user_defined_pieces(model)),
      plain_(plain_bytes(model, charsmap_)),
      has_user_defined_(!user_defined_.empty()),
      add_dummy_prefix_(model.add_dummy_prefix),
      remove_extra_spaces_(model.remove_extra_spaces),
      escape_spaces_(model.escape_spaces),
      space_as_suffix_(model.space_as_suffix),
      where_(where) {}

SentencePieceNormalizer::Part SentencePieceNormalizer::first_part(std::string_view text) const {
  if (is_plain(text)) return {text.substr(0, 1), 1};
  if (has_user_defined_) {
    size_t length = user_defined_.longest_prefix(text).length;
    if (length > 0) return {text.substr(0, length), length};
  }
  if (auto rule = charsmap_.longest(text)) {
    check(is_utf8(rule->replacement), where_, ": precompiled_charsmap: a replacement is no UTF-8");
    return {rule->replacement, rule->length};
  }
  const Utf8Step step = utf8_step(text);
  check(step.kind == Utf8Step::kCharacter, where_, ": precompiled_charsmap: a rule ends inside a character");
  return {text.substr(0, step.length), step.length};
}

std::string SentencePieceNormalizer::apply(std::string_view text) const {
  const std::string_view space = escape_spaces_ ? kWordStart : " ";
  std::string out;
  out.reserve(text.size() + text.size() / 2 + space.size());
  while (remove_extra_spaces_ && !text.empty()) {
    Part part = first_part(text);
    if (part.text != " ") break;
    text.remove_prefix(part.length);
  }
  if (text.empty()) return out;
  if (add_dummy_prefix_ && !space_as_suffix_) out += space;
  bool behind_space = remove_extra_spaces_;
  while (!text.empty()) {
    size_t plain = 0;
    while (plain < text.size() && text[plain] != ' ' && is_plain(text.substr(plain))) ++plain;
    if (plain > 0) {
      out += text.substr(0, plain);
      text.remove_prefix(plain);
      behind_space = false;
      continue;
    }
    Part part = first_part(text);
    text.remove_prefix(part.length);
    while (behind_space && part.text.starts_with(' ')) part.text.remove_prefix(1);
    for (char c : part.text) {
      if (c == ' ') {
        out += space;
      } else {
        out += c;
      }
    }
    if (!part.text.empty()) behind_space = remove_extra_spaces_ && part.text.ends_with(' ');
  }
  while (remove_extra_spaces_ && out.ends_with(space)) out.resize(out.size() - space.size());
  if (add_dummy_prefix_ && space_as_suffix_) out += space;
  return out;
}

}  // namespace longhaul
