#include "text/trie.h"

#include <algorithm>

#include "base/error.h"

namespace longhaul {

namespace {

constexpr uint32_t kBlock = 256;  // a node's children lie in one block
constexpr uint32_t kOpenBlocks =
    16;  // places are looked for in the last few blocks only, or building would be quadratic

}  // namespace

class Trie::Builder {
 public:
  using Entries = std::vector<std::pair<std::string_view, uint32_t>>;
  Builder(const Entries& entries, std::vector<Node>& nodes, std::vector<uint32_t>& values)
      : entries_(entries), nodes_(nodes), values_(values) {
    add_block();
    take(0);  // the root: its place is nobody's child's
  }

  // Nodes wait in a list and not on the call stack: a key may be a megabyte long.
  void build() {
    std::vector<Range> waiting = {{0, 0, 0, entries_.size()}};
    while (!waiting.empty()) {
      Range range = waiting.back();
      waiting.pop_back();
      add_children(range, waiting);
    }
  }

 private:
  struct Range {
    uint32_t node;
    size_t depth, first, last;  // entries_[first, last) share their first `depth` bytes
  };

  unsigned char byte_at(size_t entry, size_t depth) const {
    return static_cast<unsigned char>(entries_[entry].first[depth]);
  }

  void add_children(Range range, std::vector<Range>& waiting) {
    while (range.first < range.last && entries_[range.first].first.size() == range.depth) {
      nodes_[range.node].base |= kHasValue;
      values_[range.node] = entries_[range.first++].second;  // sorted: the shortest first, equal ones in their order
    }
    std::vector<Range> children;
    std::vector<unsigned char> bytes;
    for (size_t i = range.first; i < range.last; ++i) {
      unsigned char byte = byte_at(i, range.depth);
      if (bytes.empty() || byte != bytes.back()) {
        bytes.push_back(byte);
        children.push_back({0, range.depth + 1, i, i});
      }
      children.back().last = i + 1;
    }
    if (bytes.empty()) return;
    uint32_t base = place(bytes);
    nodes_[range.node].base |= base;
    for (size_t i = 0; i < bytes.size(); ++i) {
      children[i].node = base ^ bytes[i];
      take(children[i].node);
      nodes_[children[i].node].parent = range.node;
      waiting.push_back(children[i]);
    }
  }

  // A base whose places for all these bytes are free.
  uint32_t place(const std::vector<unsigned char>& bytes) {
    for (uint32_t free = first_free_; free != kNone; free = next_[free]) {
      uint32_t base = free ^ bytes[0];
      if (std::all_of(bytes.begin(), bytes.end(), [&](unsigned char byte) { return is_free(base ^ byte); }))
        return base;
    }
    uint32_t start = static_cast<uint32_t>(nodes_.size());
    add_block();
    return start ^ bytes[0];
  }

  bool is_free(uint32_t at) const { return free_[at]; }

  void add_block() {
    check(nodes_.size() < kHasValue - kBlock, "tokenizer: the vocabulary is too large");
    auto start = static_cast<uint32_t>(nodes_.size());
    nodes_.resize(start + kBlock);
    values_.resize(start + kBlock);
    next_.resize(start + kBlock);
    before_.resize(start + kBlock);
    free_.resize(start + kBlock, false);
    for (uint32_t at = start; at < start + kBlock; ++at) {
      free_[at] = true;
      before_[at] = last_free_;
      next_[at] = kNone;
      (last_free_ == kNone ? first_free_ : next_[last_free_]) = at;
      last_free_ = at;
    }
    if (start >= kOpenBlocks * kBlock) close_block(start - kOpenBlocks * kBlock);
  }

  void close_block(uint32_t start) {
    for (uint32_t at = start; at < start + kBlock; ++at) {
      if (free_[at]) take(at);
    }
  }

  void take(uint32_t at) {
    free_[at] = false;
    (before_[at] == kNone ? first_free_ : next_[before_[at]]) = next_[at];
    (next_[at] == kNone ? last_free_ : before_[next_[at]]) = before_[at];
  }

  const Entries& entries_;
  std::vector<Node>& nodes_;
  std::vector<uint32_t>& values_;
  std::vector<uint32_t> next_, before_;  // the free places, in a list
  std::vector<bool> free_;
  uint32_t first_free_ = kNone, last_free_ = kNone;
};

Trie::Trie(std::vector<std::pair<std::string_view, uint32_t>> entries) {
  std::erase_if(entries, [](const auto& entry) { return entry.first.empty(); });
  empty_ = entries.empty();
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  Builder(entries, nodes_, values_).build();
}

}  // namespace longhaul
