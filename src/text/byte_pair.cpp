#include "text/byte_pair.h"

#include <algorithm>
#include <queue>

#include "base/error.h"

namespace longhaul {

namespace {

// Up to here a list that is searched whole beats a heap.
constexpr size_t kShortPiece = 64;

}  // namespace

MergeTable::MergeTable(const std::vector<Merge>& merges) {
  int bits = slot_bits(merges.size());
  slots_.resize(size_t{1} << bits);
  mask_ = slots_.size() - 1;
  shift_ = 64 - bits;
  for (const Merge& merge : merges) {
    uint64_t pair = uint64_t{merge.left} << 32 | merge.right;
    slots_[index_of(pair)] = {pair, merge.rank, merge.merged};
  }
}

BytePairEncoder::BytePairEncoder(const BytePairVocabulary& vocabulary)
    : byte_ids_(vocabulary.byte_ids), merges_(vocabulary.merges), words_(vocabulary.words.size()) {
  // A token that the merges make of its own bytes is what they make of a piece of these bytes: one look-up instead. The
  // table is empty while they are tried.
  std::vector<std::pair<std::string_view, uint32_t>> whole;
  std::vector<int64_t> ids;
  for (const auto& [bytes, id] : vocabulary.words) {
    if (bytes.empty()) continue;
    ids.clear();
    if (!vocabulary.ignore_merges) {
      bool known = std::all_of(bytes.begin(), bytes.end(),
                               [&](char c) { return byte_ids_[static_cast<unsigned char>(c)] != MergeTable::kNone; });
      if (!known) continue;
      merge(bytes, ids);
    }
    if (vocabulary.ignore_merges || (ids.size() == 1 && ids[0] == id)) whole.emplace_back(bytes, id);
  }
  for (const auto& [bytes, id] : whole) words_.add(bytes, id);
}

void BytePairEncoder::merge(std::string_view piece, std::vector<int64_t>& ids) const {
  uint32_t few[kShortPiece];
  std::vector<uint32_t> many(piece.size() <= kShortPiece ? 0 : piece.size());
  std::span<uint32_t> symbols(many.empty() ? few : many.data(), piece.size());
  for (size_t i = 0; i < piece.size(); ++i) symbols[i] = byte_ids_[static_cast<unsigned char>(piece[i])];
  merge_symbols(merges_, symbols, ids);
}

namespace {

// The definition, in place, over arrays that fit the first cache.
void merge_short(const MergeTable& merges, std::span<uint32_t> symbols, std::vector<int64_t>& ids) {
  constexpr uint32_t kNone = MergeTable::kNone;
  uint32_t ranks[kShortPiece], merged[kShortPiece];  // [i]: of the pair (i, i + 1)
  size_t count = symbols.size();
  auto look_up = [&](size_t i) {
    const MergeTable::Slot& slot = merges.find(symbols[i], symbols[i + 1]);
    ranks[i] = slot.rank;
    merged[i] = slot.merged;
  };
  for (size_t i = 0; i + 1 < count; ++i) look_up(i);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == kNone) break;
    symbols[best] = merged[best];
    --count;
    for (size_t i = best + 1; i < count; ++i) {
      symbols[i] = symbols[i + 1];
      ranks[i - 1] = ranks[i];
      merged[i - 1] = merged[i];
    }
    if (best + 1 < count) look_up(best);
    if (best > 0) look_up(best - 1);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.begin() + static_cast<int64_t>(count));
}

// A symbol of a long piece, in a list: what was merged into its left neighbour is gone (id == kNone).
struct Symbol {
  uint32_t id;
  int64_t before, after;  // -1: none
};

// A pair to be merged, valid while both symbols are what they were.
struct Candidate {
  uint32_t rank;
  int64_t at;
  uint32_t left, right, merged;
  bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
};

void merge_long(const MergeTable& merges, std::span<const uint32_t> list, std::vector<int64_t>& ids) {
  constexpr uint32_t kNone = MergeTable::kNone;
  auto count = static_cast<int64_t>(list.size());
  std::vector<Symbol> symbols(list.size());
  for (int64_t i = 0; i < count; ++i) {
    symbols[static_cast<size_t>(i)] = {list[static_cast<size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1};
  }
  auto symbol = [&](int64_t i) -> Symbol& { return symbols[static_cast<size_t>(i)]; };
  std::vector<Candidate> first;
  auto candidate = [&](int64_t at) -> Candidate {
    uint32_t left = symbol(at).id, right = symbol(symbol(at).after).id;
    const MergeTable::Slot& slot = merges.find(left, right);
    return {slot.rank, at, left, right, slot.merged};
  };
  for (int64_t i = 0; i + 1 < count; ++i) {
    if (Candidate pair = candidate(i); pair.rank != kNone) first.push_back(pair);
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue(std::greater<>(), std::move(first));
  while (!queue.empty()) {
    Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbol(best.at);
    if (left.id != best.left || left.after < 0 || symbol(left.after).id != best.right) continue;
    Symbol& right = symbol(left.after);
    left.id = best.merged;
    left.after = right.after;
    right.id = kNone;
    if (left.after >= 0) {
      symbol(left.after).before = best.at;
      if (Candidate pair = candidate(best.at); pair.rank != kNone) queue.push(pair);
    }
    if (left.before >= 0) {
      if (Candidate pair = candidate(left.before); pair.rank != kNone) queue.push(pair);
    }
  }
  for (int64_t i = 0; i >= 0; i = symbol(i).after) ids.push_back(symbol(i).id);
}

}  // namespace

void merge_symbols(const MergeTable& merges, std::span<uint32_t> symbols, std::vector<int64_t>& ids) {
  if (symbols.size() <= kShortPiece) {
    merge_short(merges, symbols, ids);
  } else {
    merge_long(merges, symbols, ids);
  }
}

}  // namespace longhaul
