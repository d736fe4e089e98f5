// How words were last written with tokens, for encoders that go through a text word by word and add up scores.
#pragma once
#include <bit>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "text/word_table.h"

namespace longhaul {

// The exponent's bits of a sum: equal ones mean the same distance between neighbouring numbers, larger ones a larger one.
template <class Score>
uint16_t scale_of(Score sum) {
  using Bits = std::conditional_t<sizeof(Score) == 4, uint32_t, uint64_t>;
  constexpr int kFraction = sizeof(Score) == 4 ? 23 : 52;
  return static_cast<uint16_t>(std::bit_cast<Bits>(sum) << 1 >> (kFraction + 1));
}

// A table of fixed size, 1 MB, in which a new word takes the place of an older one. Not thread-safe.
class WordMemo {
 public:
  static constexpr size_t kMostTokens = 3;
  static constexpr uint32_t kNoToken = UINT32_MAX;
  struct Way {
    WordKey key;
    uint16_t highest = 0;  // scale of the sum behind the word up to which this is the best way
    uint32_t tokens[kMostTokens] = {kNoToken, kNoToken, kNoToken};
  };

  // Null: not known.
  const Way* find(const WordKey& key) {
    if (sets_.empty()) return nullptr;
    Set& set = sets_[place_of(key)];
    if (set.last.key == key) return &set.last;
    if (!(set.before.key == key)) return nullptr;
    std::swap(set.last, set.before);
    return &set.last;
  }
  void keep(const Way& way) {
    if (sets_.empty()) sets_.resize(size_t{1} << kBits);
    Set& set = sets_[place_of(way.key)];
    if (!(set.last.key == way.key)) set.before = set.last;
    set.last = way;
  }
  // The word will soon be looked for.
  void fetch(const WordKey& key) const {
    if (!sets_.empty()) __builtin_prefetch(&sets_[place_of(key)]);
  }
  // What another encoder left is forgotten.
  void belong_to(uint64_t owner) {
    if (owner_ != owner) sets_.clear();
    owner_ = owner;
  }

 private:
  struct alignas(64) Set {
    Way last, before;
  };
  static constexpr int kBits = 14;
  static size_t place_of(const WordKey& key) { return key.hash() >> (64 - kBits); }
  std::vector<Set> sets_;
  uint64_t owner_ = 0;
};

}  // namespace longhaul
