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

}  // namespace

SentencePieceNormalizer::SentencePieceNormalizer(const SentencePieceModel& model, const std::string& where)
    : charsmap_(model.charsmap.empty() ? Charsmap() : Charsmap(model.charsmap, where + ": precompiled_charsmap")),
      user_defined_(user_defined_pieces(model)),
      has_user_defined_(!user_defined_.empty()),
      add_dummy_prefix_(model.add_dummy_prefix),
      remove_extra_spaces_(model.remove_extra_spaces),
      escape_spaces_(model.escape_spaces),
      space_as_suffix_(model.space_as_suffix),
      where_(where) {}

SentencePieceNormalizer::Part SentencePieceNormalizer::first_part(std::string_view text) const {
  if (has_user_defined_) {
    size_t length = user_defined_.longest_prefix(text).length;
    if (length > 0) return {text.substr(0, length), length};
  }
  if (auto rule = charsmap_.longest(text)) return {rule->replacement, rule->length};
  size_t length = utf8_step(text).length;
  return {text.substr(0, length), length};
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
  check(charsmap_.empty() || is_utf8(out), where_, ": precompiled_charsmap: a replacement is no UTF-8");
  return out;
}

}  // namespace longhaul
