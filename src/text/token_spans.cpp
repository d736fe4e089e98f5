#include "text/token_spans.h"

#include <algorithm>
#include <string>

#include "text/sentence_piece_model.h"

namespace longhaul {

namespace {

constexpr std::string_view kSpaceSign = "\xE2\x96\x81";  // U+2581
constexpr std::string_view kWordGoesOn = "##";

std::string with_spaces(std::string_view piece) {
  std::string text;
  while (!piece.empty()) {
    const bool is_sign = piece.starts_with(kSpaceSign);
    text += is_sign ? ' ' : piece[0];
    piece.remove_prefix(is_sign ? kSpaceSign.size() : 1);
  }
  return text;
}

// What a piece may be in a text, the likeliest reading first.
std::vector<std::string> readings(const std::string& piece) {
  std::vector<std::string> all = {piece};
  if (const int byte = byte_of_piece(piece); byte >= 0) all.push_back(std::string(1, static_cast<char>(byte)));
  if (piece.find(kSpaceSign) != std::string::npos) all.push_back(with_spaces(piece));
  if (piece.starts_with(kWordGoesOn)) all.push_back(piece.substr(kWordGoesOn.size()));
  return all;
}

}  // namespace

std::vector<std::optional<TokenSpan>> token_spans(const Tokenizer& tokenizer, std::string_view text,
                                                  const std::vector<int64_t>& ids) {
  std::vector<std::optional<TokenSpan>> spans(ids.size());
  const std::vector<int64_t> before = tokenizer.before_text(), after = tokenizer.after_text();
  const bool has_before = ids.size() >= before.size() && std::equal(before.begin(), before.end(), ids.begin());
  const bool has_after = ids.size() >= after.size() && std::equal(after.rbegin(), after.rend(), ids.rbegin());
  const size_t first = has_before ? before.size() : 0, last = ids.size() - (has_after ? after.size() : 0);
  for (size_t i = 0; i < first; ++i) spans[i] = {0, 0};
  size_t at = 0;
  auto read = [&](const std::string& reading) {
    if (!text.substr(at).starts_with(reading)) return false;
    at += reading.size();
    return true;
  };
  for (size_t i = first; i < last; ++i) {
    size_t begin = at;
    bool found = false;
    const std::vector<std::string> all = readings(tokenizer.piece(ids[i]));
    for (const std::string& reading : all) {
      // A tokenizer may put a space in front of a text, and behind its special tokens.
      found = found || read(reading) || (reading.starts_with(' ') && read(reading.substr(1)));
    }
    // WordPiece leaves out the spaces between words.
    const size_t word = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
    for (size_t k = 0; k < all.size() && !found; ++k) {
      if (!text.substr(word).starts_with(all[k])) continue;
      begin = word, at = word + all[k].size(), found = true;
    }
    if (!found) return spans;
    spans[i] = {begin, at};
  }
  for (size_t i = last; i < ids.size(); ++i) spans[i] = {text.size(), text.size()};
  return spans;
}

}  // namespace longhaul
