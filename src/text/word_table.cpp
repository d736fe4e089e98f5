#include "text/word_table.h"

namespace longhaul {

WordTable::WordTable(size_t words) {
  int bits = slot_bits(words);
  slots_.resize(size_t{1} << bits);
  mask_ = slots_.size() - 1;
  shift_ = 64 - bits;
}

void WordTable::add(std::string_view word, uint32_t id) {
  longest_ = std::max(longest_, word.size());
  if (word.size() > WordKey::kMost) {
    long_words_.emplace(word, id);
    return;
  }
  WordKey key = WordKey::of(word, word.size());
  uint64_t i = key.hash() >> shift_;
  while (slots_[i].id != kNone && !(slots_[i].key == key)) i = (i + 1) & mask_;
  slots_[i] = {key, id};
}

uint32_t WordTable::find_long(std::string_view word) const {
  auto it = long_words_.find(std::string(word));
  return it == long_words_.end() ? kNone : it->second;
}

}  // namespace longhaul
