// Byte pair encoding (Sennrich et al., arXiv 1508.07909): of all neighbours in a piece that the table lists, the pair
// of the lowest rank becomes one symbol, the leftmost first; again until none is listed. Here over bytes, as GPT-2 does
// it; over characters in character_pair.h.
#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace longhaul {

struct Merge {
  uint32_t left, right, merged;  // ids
  uint32_t rank;                 // several merges may share one: then the leftmost pair of theirs comes first
};

// Open addressing over pairs of ids. Of equal pairs the last one listed counts.
class MergeTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Slot {
    uint64_t pair = UINT64_MAX;
    uint32_t rank = kNone, merged = 0;
  };
  explicit MergeTable(const std::vector<Merge>& merges);
  // rank == kNone: not listed.
  const Slot& find(uint32_t left, uint32_t right) const { return slots_[index_of(uint64_t{left} << 32 | right)]; }

 private:
  // Where the pair is, or would be put.
  uint64_t index_of(uint64_t pair) const {
    uint64_t i = (pair * 0x9E3779B97F4A7C15u) >> shift_;
    while (slots_[i].pair != pair && slots_[i].rank != kNone) i = (i + 1) & mask_;
    return i;
  }
  std::vector<Slot> slots_;
  uint64_t mask_;
  int shift_;
};

// Appends what the merges make of these symbols, which are overwritten. O(n log n).
void merge_symbols(const MergeTable& merges, std::span<uint32_t> symbols, std::vector<int64_t>& ids);

// Whole pieces that are one token, by their bytes.
class WordTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  explicit WordTable(size_t words);  // room for so many
  void add(std::string_view word, uint32_t id);
  // `readable` bytes may be read from word.data() on: 16 or more are faster.
  uint32_t find(std::string_view word, size_t readable) const {
    if (word.size() > kShort) return word.size() > longest_ ? kNone : find_long(word);
    Key key = key_of(word, readable);
    for (uint64_t i = home(key);; i = (i + 1) & mask_) {
      if (slots_[i].key == key) return slots_[i].id;
      if (slots_[i].id == kNone) return kNone;
    }
  }

 private:
  static constexpr size_t kShort = 15;  // bytes that fit a key beside their number
  struct Key {
    uint64_t low, high;
    bool operator==(const Key&) const = default;
  };
  struct Slot {
    Key key{0, 0};
    uint32_t id = kNone;
  };
  static Key key_of(std::string_view word, size_t readable) {
    Key key{0, 0};
    std::memcpy(&key, word.data(), readable >= 16 ? 16 : word.size());
    if (word.size() < 8) {
      key = {key.low & ((uint64_t{1} << 8 * word.size()) - 1), 0};
    } else {
      key.high &= (uint64_t{1} << 8 * (word.size() - 8)) - 1;
    }
    key.high |= uint64_t{word.size()} << 56;
    return key;
  }
  uint64_t home(const Key& key) const {
    uint64_t hash = (key.low ^ std::rotl(key.high * 0x9E3779B97F4A7C15u, 32)) * 0xD6E8FEB86659FD93u;
    return hash >> shift_;
  }
  uint32_t find_long(std::string_view word) const;
  std::vector<Slot> slots_;
  uint64_t mask_;
  int shift_;
  std::unordered_map<std::string, uint32_t> long_words_;
  size_t longest_ = 0;
};

// Bytes of a token whose merges have to be found, which takes time that grows with their square: no real one is half as
// long.
inline constexpr size_t kLongestToken = 1024;

struct BytePairVocabulary {
  std::array<uint32_t, 256> byte_ids;  // MergeTable::kNone for bytes that UTF-8 never holds
  std::vector<Merge> merges;
  std::vector<std::pair<std::string, uint32_t>> words;  // every token's bytes
  bool ignore_merges = false;  // a piece that is a token is that token, whatever the merges would make of it (Llama-3)
};

// Immutable and thread-safe.
class BytePairEncoder {
 public:
  explicit BytePairEncoder(const BytePairVocabulary& vocabulary);
  // Appends the ids of one piece. O(n log n) in its length. `readable` bytes may be read from piece.data() on.
  void encode(std::string_view piece, size_t readable, std::vector<int64_t>& ids) const {
    uint32_t word = words_.find(piece, readable);
    if (word != WordTable::kNone) {
      ids.push_back(word);
    } else {
      merge(piece, ids);
    }
  }

 private:
  void merge(std::string_view piece, std::vector<int64_t>& ids) const;
  std::array<uint32_t, 256> byte_ids_;
  MergeTable merges_;
  WordTable words_;
};

}  // namespace longhaul
