#include "text/unigram.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <type_traits>

#include "base/error.h"
#include "text/utf8.h"
#include "text/word_memo.h"
#include "text/word_start.h"

namespace longhaul {

namespace {

bool goes_by_words(const UnigramVocabulary& vocabulary) {
  return vocabulary.unknown_score <= 0 &&
         std::all_of(vocabulary.tokens.begin(), vocabulary.tokens.end(),
                     [](const UnigramToken& token) { return token.score <= 0 && !holds_word_start(token.text); });
}

uint64_t next_number() {
  static std::atomic<uint64_t> last = 0;
  return ++last;
}

}  // namespace

// The ways through one piece. Wherever no token reaches across a place, the best way to it is settled: its ids are
// written and the nodes begin anew, which keeps them in the first cache. Sums go on, so that they round as over the
// whole piece.
//
// As SentencePiece does it since 0.2.3, sums of floats begin anew where they are below -100,000.
//
// Which way through a word is best may depend on the sum before it, which rounds the next ones. A word is remembered with
// the sums for which it does not: those up to a size where the best way is ahead of the second by more than rounding can
// change, half the distance between neighbouring numbers for each token of the two. No score is above 0, so that a sum on
// either way is never larger than the one behind it.
template <class Score>
class UnigramEncoder<Score>::Lattice {
 public:
  Lattice(const UnigramEncoder& encoder, std::string_view piece, size_t readable, Scratch& scratch,
          std::vector<int64_t>& ids)
      : encoder_(encoder),
        piece_(piece),
        readable_(readable),
        scratch_(scratch),
        nodes_(scratch.nodes),
        memo_(scratch.memo),
        ids_(ids) {
    if (!scratch.clean) nodes_.assign(kFewNodes, kNoWay);
    scratch.clean = false;
    nodes_[0] = {0, kNever, 0, 0};
    memo_.belong_to(encoder.number_);
  }

  void run() {
    if (encoder_.by_words_)
      run_by_words();
    else
      walk(piece_.size());
    write_unknown(piece_.size());
    scratch_.clean = true;
  }

 private:
  static constexpr size_t kFewNodes = 64;
  static constexpr Score kNever = -std::numeric_limits<Score>::infinity();
  static constexpr Score kLowest = std::is_same_v<Score, float> ? Score{-100000} : kNever;
  static constexpr Node kNoWay = {kNever, kNever, 0, 0};

  // Some words at a time, so that the memo's lines for them come from memory side by side.
  void run_by_words() {
    constexpr size_t kTogether = 16;
    struct {
      WordKey key;
      size_t length;
    } words[kTogether];
    for (size_t at = 0; at < piece_.size();) {
      size_t count = 0;
      for (; count < kTogether && at < piece_.size(); ++count) {
        auto& [key, length] = words[count];
        length = word_length(piece_.substr(at));
        if (length <= WordKey::kMost) memo_.fetch(key = WordKey::of(piece_.substr(at, length), readable_ - at));
        at += length;
      }
      for (size_t i = 0; i < count; ++i) {
        const auto& [key, length] = words[i];
        if (length > WordKey::kMost || may_begin_anew())
          walk(base_ + length);
        else if (!recall(key, length))
          learn(key, length);
      }
    }
  }

  // Whether a sum in the next word, were it the longest that is remembered, can be so low that sums begin anew.
  bool may_begin_anew() const { return nodes_[0].score + Score{WordKey::kMost} * encoder_.least_ < kLowest; }

  void walk(size_t end) {
    for (size_t at = base_; at < end; at += step(at)) {
      if (at - base_ == reach_ && at > base_) settle(at);
    }
    settle(end);
  }

  // Writes the word's tokens if it is known how; false if not.
  bool recall(const WordKey& key, size_t length) {
    const auto* way = memo_.find(key);
    if (!way) return false;
    Score sum = nodes_[0].score;
    for (size_t i = 0; i < WordMemo::kMostTokens && way->tokens[i] != WordMemo::kNoToken; ++i)
      sum += encoder_.tokens_[way->tokens[i]].score;
    if (scale_of(sum) > way->highest) return false;
    write_unknown(base_);
    for (size_t i = 0; i < WordMemo::kMostTokens && way->tokens[i] != WordMemo::kNoToken; ++i)
      ids_.push_back(encoder_.tokens_[way->tokens[i]].id);
    nodes_[0].score = sum;
    base_ += length;
    return true;
  }

  void learn(const WordKey& key, size_t length) {
    nodes_[0].second = kNever;
    unknown_ = in_unknown_;
    steps_ = 0;
    written_ = 0;
    way_ = {};
    walk(base_ + length);
    if (unknown_ || written_ > WordMemo::kMostTokens) return;
    way_.key = key;
    way_.highest = highest_scale();
    if (way_.highest >= scale_of(nodes_[0].score)) memo_.keep(way_);
  }

  // Of the sums behind the word up to which the way that was found stays the best. The sums here were rounded too.
  uint16_t highest_scale() const {
    const auto [score, second, length, token] = nodes_[0];
    const uint16_t all = scale_of(std::numeric_limits<Score>::max());
    if (second == kNever) return all;
    if (second == score) return 0;
    const double rounding = std::ldexp(double{1}, std::ilogb(second) - kDigits + 1);
    const double ahead = (double{score} - double{second}) / static_cast<double>(steps_) - rounding;
    if (!(ahead > 0)) return 0;
    const int exponent = std::ilogb(std::nextafter(ahead, 0.0)) + kDigits - 1;
    return std::min(all, scale_of(std::ldexp(Score{1}, exponent)));
  }

  // Enters every token that begins at this place; returns the length of the character there.
  size_t step(size_t at) {
    const char* next = piece_.data() + at;
    next_code_point(next);
    const size_t character = static_cast<size_t>(next - piece_.data()) - at, place = at - base_;
    if (place + encoder_.longest_ >= nodes_.size()) nodes_.resize(2 * (place + encoder_.longest_), kNoWay);
    if (nodes_[place].score < kLowest) begin_anew(place);
    const Node from = nodes_[place];
    Node* const ahead = nodes_.data() + place;
    size_t reach = 0;
    bool covered = false;
    auto enter = [&](size_t length, uint32_t token) {
      const Score score = encoder_.tokens_[token].score, sum = score + from.score, second = score + from.second;
      Node& to = ahead[length];
      if (to.length == 0 || sum > to.score)
        to = {sum, std::max(to.score, second), static_cast<uint32_t>(length), token};
      else
        to.second = std::max(to.second, sum);
      reach = std::max(reach, length);
    };
    encoder_.trie_.for_each_prefix(piece_.substr(at), [&](size_t length, uint32_t token) {
      enter(length, token);
      covered = covered || length == character;
    });
    if (!covered) enter(character, static_cast<uint32_t>(encoder_.tokens_.size() - 1));
    reach_ = std::max(reach_, place + reach);
    ++steps_;
    return character;
  }

  void begin_anew(size_t place) {
    const Score base = nodes_[place].score;
    for (size_t i = place; i <= std::max(place, reach_); ++i) nodes_[i].score -= base, nodes_[i].second -= base;
  }

  void settle(size_t at) {
    // Backwards along the best way, leaving in each node the length of the token that begins there.
    uint32_t length = 0, token = 0;
    for (size_t end = at - base_;; end -= length) {
      std::swap(nodes_[end].length, length);
      std::swap(nodes_[end].token, token);
      if (end == 0) break;
    }
    for (size_t start = 0; start < at - base_; start += nodes_[start].length) {
      write(base_ + start, nodes_[start].token);
    }
    nodes_[0] = {nodes_[at - base_].score, nodes_[at - base_].second, 0, 0};
    std::fill_n(nodes_.begin() + 1, at - base_, kNoWay);
    reach_ = 0;
    base_ = at;
  }

  void write(size_t start, uint32_t token) {
    const uint32_t id = encoder_.tokens_[token].id;
    if (id == encoder_.unknown_) {
      if (!in_unknown_) unknown_start_ = start;
      in_unknown_ = unknown_ = true;
      return;
    }
    write_unknown(start);
    ids_.push_back(id);
    if (written_ < WordMemo::kMostTokens) way_.tokens[written_] = token;
    ++written_;
  }

  void write_unknown(size_t end) {
    if (in_unknown_) encoder_.append_unknown(piece_.substr(unknown_start_, end - unknown_start_), ids_);
    in_unknown_ = false;
  }

  const UnigramEncoder& encoder_;
  std::string_view piece_;
  size_t readable_;
  Scratch& scratch_;
  std::vector<Node>& nodes_;  // [place - base_]
  WordMemo& memo_;
  std::vector<int64_t>& ids_;
  size_t base_ = 0, unknown_start_ = 0;
  size_t reach_ = 0;  // the furthest node that a token reaches
  bool in_unknown_ = false;
  // Of the word that is learnt.
  static constexpr int kDigits = std::numeric_limits<Score>::digits;
  WordMemo::Way way_;
  int64_t steps_ = 0;     // characters
  size_t written_ = 0;    // tokens
  bool unknown_ = false;  // a character has no token
};

template <class Score>
struct UnigramEncoder<Score>::Scratch {
  std::vector<Node> nodes;
  bool clean = false;  // the nodes are there and none has a way: not after an error
  WordMemo memo;
};

template <class Score>
UnigramEncoder<Score>::UnigramEncoder(const UnigramVocabulary& vocabulary)
    : byte_tokens_(vocabulary.byte_tokens),
      unknown_(vocabulary.unknown),
      by_words_(goes_by_words(vocabulary)),
      number_(next_number()),
      words_(vocabulary.tokens.size()) {
  std::vector<std::pair<std::string_view, uint32_t>> entries;
  for (const UnigramToken& token : vocabulary.tokens) {
    entries.emplace_back(token.text, static_cast<uint32_t>(tokens_.size()));
    tokens_.push_back({static_cast<Score>(token.score), token.id});
    longest_ = std::max(longest_, token.text.size());
    least_ = std::min(least_, tokens_.back().score);
  }
  tokens_.push_back({static_cast<Score>(vocabulary.unknown_score), unknown_});
  least_ = std::min(least_, tokens_.back().score);
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
  thread_local Scratch scratch;
  Lattice(*this, piece, readable, scratch, ids).run();
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
