#include "text/unigram.h"

#include <algorithm>

#include "base/error.h"
#include "text/utf8.h"

namespace longhaul {

// The ways through one piece. Wherever no token reaches across a place, the best way to it is settled: its ids are
// written and the nodes begin anew, which keeps them in the first cache. Sums go on, so that they round as over the
// whole piece.
template <class Score>
class UnigramEncoder<Score>::Lattice {
 public:
  Lattice(const UnigramEncoder& encoder, std::string_view piece, std::vector<Node>& nodes, std::vector<int64_t>& ids)
      : encoder_(encoder), piece_(piece), nodes_(nodes), ids_(ids) {
    nodes_.assign(1, {0, 0, 0});
  }

  void run() {
    for (size_t at = 0; at < piece_.size(); at += step(at)) {
      if (at - base_ + 1 == nodes_.size() && at > base_) settle(at);
    }
    settle(piece_.size());
    write_unknown(piece_.size());
  }

 private:
  // Enters every token that begins at this place; returns the length of the character there.
  size_t step(size_t at) {
    const char* next = piece_.data() + at;
    next_code_point(next);
    size_t character = static_cast<size_t>(next - piece_.data()) - at;
    const Score before = nodes_[at - base_].score;
    bool covered = false;
    encoder_.trie_.for_each_prefix(piece_.substr(at), [&](size_t length, uint32_t index) {
      const Token& token = encoder_.tokens_[index];
      enter(at, length, token.score + before, token.id);
      covered = covered || length == character;
    });
    if (!covered) enter(at, character, encoder_.unknown_score_ + before, encoder_.unknown_);
    return character;
  }

  void enter(size_t at, size_t length, Score score, uint32_t id) {
    size_t end = at - base_ + length;
    if (nodes_.size() <= end) nodes_.resize(end + 1, {0, 0, 0});
    Node& node = nodes_[end];
    if (node.length == 0 || score > node.score) node = {score, static_cast<uint32_t>(length), id};
  }

  void settle(size_t at) {
    // Backwards along the best way, leaving in each node the length of the token that begins there.
    uint32_t length = 0, id = 0;
    for (size_t end = at - base_;; end -= length) {
      std::swap(nodes_[end].length, length);
      std::swap(nodes_[end].id, id);
      if (end == 0) break;
    }
    for (size_t start = 0; start < at - base_; start += nodes_[start].length) {
      write(base_ + start, nodes_[start].id);
    }
    nodes_[0] = {nodes_[at - base_].score, 0, 0};
    nodes_.resize(1);
    base_ = at;
  }

  void write(size_t start, uint32_t id) {
    if (id == encoder_.unknown_) {
      if (!in_unknown_) unknown_start_ = start;
      in_unknown_ = true;
    } else {
      write_unknown(start);
      ids_.push_back(id);
    }
  }

  void write_unknown(size_t end) {
    if (in_unknown_) encoder_.append_unknown(piece_.substr(unknown_start_, end - unknown_start_), ids_);
    in_unknown_ = false;
  }

  const UnigramEncoder& encoder_;
  std::string_view piece_;
  std::vector<Node>& nodes_;  // [place - base_]; the last one is the furthest that a token reaches
  std::vector<int64_t>& ids_;
  size_t base_ = 0, unknown_start_ = 0;
  bool in_unknown_ = false;
};

template <class Score>
UnigramEncoder<Score>::UnigramEncoder(const UnigramVocabulary& vocabulary)
    : byte_tokens_(vocabulary.byte_tokens),
      unknown_(vocabulary.unknown),
      unknown_score_(static_cast<Score>(vocabulary.unknown_score)),
      words_(vocabulary.tokens.size()) {
  std::vector<std::pair<std::string_view, uint32_t>> entries;
  for (const UnigramToken& token : vocabulary.tokens) {
    entries.emplace_back(token.text, static_cast<uint32_t>(tokens_.size()));
    tokens_.push_back({static_cast<Score>(token.score), token.id});
  }
  trie_ = Trie(std::move(entries));
  std::vector<std::pair<std::string_view, uint32_t>> whole;
  std::vector<int64_t> ids;
  for (const UnigramToken& token : vocabulary.tokens) {
    if (token.text.empty() || token.id == unknown_) continue;
    ids.clear();
    encode(token.text, token.text.size(), ids);
    if (ids.size() == 1 && ids[0] == token.id) whole.emplace_back(token.text, token.id);
  }
  for (const auto& [text, id] : whole) words_.add(text, id);
}

template <class Score>
void UnigramEncoder<Score>::encode(std::string_view piece, size_t readable, std::vector<int64_t>& ids) const {
  if (uint32_t word = words_.find(piece, readable); word != WordTable::kNone) {
    ids.push_back(word);
    return;
  }
  thread_local std::vector<Node> nodes;
  Lattice(*this, piece, nodes, ids).run();
}

// As `tokenizers` does it: unknown characters in a row may together be a token's text (a typed "<unk>").
template <class Score>
void UnigramEncoder<Score>::append_unknown(std::string_view run, std::vector<int64_t>& ids) const {
  if (uint32_t index = trie_.find(run); index != Trie::kNone) {
    ids.push_back(tokens_[index].id);
  } else if (!append_byte_tokens(byte_tokens_, run, ids)) {
    check(unknown_ != UnigramVocabulary::kNone,
          "tokenizer: a character has no token, and the vocabulary has no unknown token (unk_id)");
    ids.push_back(unknown_);
  }
}

template class UnigramEncoder<float>;
template class UnigramEncoder<double>;

}  // namespace longhaul
