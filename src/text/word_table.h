// Words by their bytes: a key that is compared as two numbers, and a table of words that are one token each.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace longhaul {

// The bytes of a short word and their number. All zero: no word.
struct WordKey {
  static constexpr size_t kMost = 15;
  uint64_t low = 0, high = 0;

  // `readable` bytes may be read from word.data() on: 16 or more are faster.
  static WordKey of(std::string_view word, size_t readable) {
    WordKey key;
    std::memcpy(&key, word.data(), readable >= 16 ? 16 : word.size());
    if (word.size() < 8) {
      key = {key.low & ((uint64_t{1} << 8 * word.size()) - 1), 0};
    } else {
      key.high &= (uint64_t{1} << 8 * (word.size() - 8)) - 1;
    }
    key.high |= uint64_t{word.size()} << 56;
    return key;
  }
  uint64_t hash() const { return (low ^ std::rotl(high * 0x9E3779B97F4A7C15u, 32)) * 0xD6E8FEB86659FD93u; }
  bool operator==(const WordKey&) const = default;
};

// log2 of the slots of a table of open addressing: at most half are taken.
inline int slot_bits(size_t entries) { return std::max(4, static_cast<int>(std::bit_width(2 * entries))); }

// Whole pieces that are one token.
class WordTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  explicit WordTable(size_t words);  // room for so many
  void add(std::string_view word, uint32_t id);
  // `readable` as above.
  uint32_t find(std::string_view word, size_t readable) const {
    if (word.size() > WordKey::kMost) return word.size() > longest_ ? kNone : find_long(word);
    WordKey key = WordKey::of(word, readable);
    for (uint64_t i = key.hash() >> shift_;; i = (i + 1) & mask_) {
      if (slots_[i].key == key) return slots_[i].id;
      if (slots_[i].id == kNone) return kNone;
    }
  }

 private:
  struct Slot {
    WordKey key;
    uint32_t id = kNone;
  };
  uint32_t find_long(std::string_view word) const;
  std::vector<Slot> slots_;
  uint64_t mask_;
  int shift_;
  std::unordered_map<std::string, uint32_t> long_words_;
  size_t longest_ = 0;
};

}  // namespace longhaul
