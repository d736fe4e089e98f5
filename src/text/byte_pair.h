// Byte pair encoding (Sennrich et al., arXiv 1508.07909): of all neighbours in a piece that the table lists, the pair
// of the lowest rank becomes one symbol, the leftmost first; again until none is listed. Here over bytes, as GPT-2 does
// it; over characters in character_pair.h.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/word_table.h"

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
