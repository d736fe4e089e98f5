// Ids of texts that lie elsewhere, in the order in which they came: a vocabulary while its tokenizer is made. One with 100,000 merges
// is asked 300,000 times, which a map of nodes answers with several cache misses each.
#pragma once
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "text/word_table.h"

namespace longhaul {

class TextIds {
 public:
  using Entry = std::pair<std::string_view, uint32_t>;

  explicit TextIds(size_t expected = 0) : slots_(size_t{1} << slot_bits(expected)) { entries_.reserve(expected); }
  // False, and nothing is changed, when the text has an id.
  bool add(std::string_view text, uint32_t id) {
    if (2 * (entries_.size() + 1) > slots_.size()) grow();
    const uint64_t hash = hash_of(text);
    Slot& slot = slots_[place_of(text, hash)];
    if (slot.number > 0) return false;
    entries_.emplace_back(text, id);
    slot = {static_cast<uint32_t>(hash), static_cast<uint32_t>(entries_.size())};
    return true;
  }
  // In place of the id that it has, if any.
  void put(std::string_view text, uint32_t id) {
    if (!add(text, id)) entries_[slots_[place_of(text, hash_of(text))].number - 1].second = id;
  }
  // Null when the text has none. Holds until the next add() or put().
  const uint32_t* find(std::string_view text) const {
    const Slot& slot = slots_[place_of(text, hash_of(text))];
    return slot.number > 0 ? &entries_[slot.number - 1].second : nullptr;
  }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  struct Slot {
    uint32_t hash = 0, number = 0;  // of the entry, from 1; 0: free
  };
  static uint64_t hash_of(std::string_view text) { return std::hash<std::string_view>()(text); }

  // Where the text is, or belongs.
  size_t place_of(std::string_view text, uint64_t hash) const {
    const size_t mask = slots_.size() - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
      const Slot& slot = slots_[i];
      if (slot.number == 0) return i;
      if (slot.hash == static_cast<uint32_t>(hash) && entries_[slot.number - 1].first == text) return i;
    }
  }

  void grow() {
    slots_.assign(2 * slots_.size(), {});
    for (size_t i = 0; i < entries_.size(); ++i) {
      const uint64_t hash = hash_of(entries_[i].first);
      slots_[place_of(entries_[i].first, hash)] = {static_cast<uint32_t>(hash), static_cast<uint32_t>(i + 1)};
    }
  }

  std::vector<Entry> entries_;
  std::vector<Slot> slots_;  // at most half of them are taken
};

}  // namespace longhaul
