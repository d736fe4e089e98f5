// Texts and their numbers, found by the bytes that a text begins with: a double array (Aoe, IEEE Trans. Software Eng.
// 15, 1989), one look-up for each byte.
#pragma once
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace longhaul {

// Immutable and thread-safe.
class Trie {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Match {
    size_t length = 0;  // 0: none
    uint32_t value = kNone;
  };

  Trie() : Trie(std::vector<std::pair<std::string_view, uint32_t>>{}) {}
  // Keys that are empty are left out; of equal keys the last one counts. Values are below kNone.
  explicit Trie(std::vector<std::pair<std::string_view, uint32_t>> entries);

  bool empty() const { return empty_; }
  // Calls visit(length, value) for every key that `text` begins with, the shortest first.
  template <class Visit>
  void for_each_prefix(std::string_view text, const Visit& visit) const {
    uint32_t node = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      uint32_t next = (nodes_[node].base & ~kHasValue) ^ static_cast<unsigned char>(text[i]);
      if (nodes_[next].parent != node) return;
      node = next;
      if (nodes_[node].base & kHasValue) visit(i + 1, values_[node]);
    }
  }
  Match longest_prefix(std::string_view text) const {
    Match longest;
    for_each_prefix(text, [&](size_t length, uint32_t value) { longest = {length, value}; });
    return longest;
  }
  uint32_t find(std::string_view key) const {
    Match match = longest_prefix(key);
    return match.length == key.size() ? match.value : kNone;
  }

 private:
  class Builder;
  static constexpr uint32_t kHasValue = uint32_t{1} << 31;
  struct Node {
    uint32_t base = 0;        // a child by byte b is at base ^ b; kHasValue is set where a key ends
    uint32_t parent = kNone;  // kNone: nobody's place
  };
  bool empty_;
  std::vector<Node> nodes_;  // a multiple of 256, so that base ^ b is always inside; [0] is the root
  std::vector<uint32_t> values_;
};

}  // namespace longhaul
