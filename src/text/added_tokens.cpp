#include "text/added_tokens.h"

#include <algorithm>
#include <cstring>

#include "text/unicode.h"
#include "text/utf8.h"

namespace longhaul {

namespace {

unsigned char byte_at(std::string_view text, size_t i) { return static_cast<unsigned char>(text[i]); }

uint32_t code_point_at(std::string_view text, size_t at) {
  const char* p = text.data() + at;
  return next_code_point(p);
}

bool stands_alone(std::string_view text, size_t start, size_t end) {
  bool word_before =
      start > 0 && is_word_character(code_point_at(text, start_of_last_character(text.substr(0, start))));
  bool word_behind = end < text.size() && is_word_character(code_point_at(text, end));
  return !word_before && !word_behind;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.content.size() > b.content.size(); });
  for (uint32_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    unsigned first = byte_at(content, 0);
    only_first_ = i == 0 || only_first_ == static_cast<int>(first) ? static_cast<int>(first) : -2;
    by_first_[first].push_back(i);
    for (unsigned second = 0; second < 256; ++second) {
      if (content.size() == 1 || second == byte_at(content, 1)) pairs_.set(first + 256 * second);
    }
    all_special_ = all_special_ && tokens_[i].special;
  }
}

// The next place where the first two bytes are those of a token, or where the text's last byte stands.
size_t AddedTokenFinder::next_candidate(std::string_view text, size_t from) const {
  while (from + 1 < text.size()) {
    if (only_first_ >= 0) {
      const void* found = std::memchr(text.data() + from, only_first_, text.size() - from);
      if (!found) return text.size();
      from = static_cast<size_t>(static_cast<const char*>(found) - text.data());
      if (from + 1 == text.size()) break;
    }
    if (pairs_[byte_at(text, from) + 256u * byte_at(text, from + 1)]) break;
    ++from;
  }
  return from;
}

const AddedToken* AddedTokenFinder::match(std::string_view text, size_t at) const {
  for (uint32_t i : by_first_[byte_at(text, at)]) {
    if (text.substr(at).starts_with(tokens_[i].content)) return &tokens_[i];
  }
  return nullptr;
}

void AddedTokenFinder::split(std::string_view text, bool with_special, std::vector<Part>& parts) const {
  size_t done = 0;
  for (size_t at = next_candidate(text, 0); at < text.size(); at = next_candidate(text, at)) {
    const AddedToken* token = match(text, at);
    if (!token) {
      ++at;
      continue;
    }
    size_t start = at, end = at + token->content.size();
    at = end;
    if (token->special && !with_special) continue;
    if (token->single_word && !stands_alone(text, start, end)) continue;
    if (token->lstrip) start = std::max(start - length_of_spaces_at_end(text.substr(0, start)), done);
    if (token->rstrip) end += length_of_spaces(text.substr(end));
    if (start >= end) continue;  // of nothing but spaces, which the token before has taken
    if (done < start) parts.push_back({text.substr(done, start - done), nullptr});
    parts.push_back({text.substr(start, end - start), token});
    done = end;
  }
  if (done < text.size()) parts.push_back({text.substr(done), nullptr});
}

bool AddedTokenFinder::respects_cuts() const {
  return std::all_of(tokens_.begin(), tokens_.end(), [&](const AddedToken& token) {
    if (token.rstrip || (token.single_word && token.content[0] == ' ')) return false;
    for (size_t i = 1; i < token.content.size(); ++i) {
      size_t before = start_of_last_character(std::string_view(token.content).substr(0, i));
      if (token.content[i] == ' ' && !is_space(code_point_at(token.content, before))) return false;
    }
    return true;
  });
}

}  // namespace longhaul
