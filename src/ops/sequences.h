// What one call works on: sequences packed end to end. Host vectors, so no device sync is needed to learn a length.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "ops/tensor.h"

namespace longhaul {

// Where the rows of a pool hold each sequence: its row j is row (pages[b][j / kPageRows] * kPageRows + j % kPageRows).
inline constexpr int64_t kPageRows = 64;  // the key tile of the CPU attention: a tile never straddles a page
using PageTable = std::vector<std::vector<int64_t>>;

struct Sequences {
  std::vector<int64_t> offsets;  // [B+1] where each sequence begins in the packed tokens; offsets[0] = 0
  std::vector<int64_t> past;     // [B] tokens of the sequence before this call (0 in training)
  std::vector<int64_t> total;    // [B] tokens of the whole prompt, whatever chunk of it this call holds
  Tensor positions;  // [T] double: what the encodings see (past, past + 1, ... unless an encoding stretches it)
  std::shared_ptr<const PageTable>
      pages;  // [B][P] pages of an engine's pools, enough for past + length; null in training

  int64_t count() const { return static_cast<int64_t>(past.size()); }  // B
  int64_t tokens() const { return offsets.back(); }                    // T
  int64_t length(int64_t b) const { return offsets[b + 1] - offsets[b]; }

  // Positions are past, past + 1, ... in every sequence: a distance is then a difference of indices.
  bool consecutive() const;

  // Whole sequences of these lengths, nothing before them.
  static Sequences whole(const std::vector<int64_t>& lengths);
  // B whole sequences of T tokens.
  static Sequences equal(int64_t count, int64_t length);
  // Tokens [past, past + length) of one sequence of `total` tokens.
  static Sequences chunk(int64_t past, int64_t length, int64_t total);
  // `lengths` tokens behind `past` of each sequence; `total` as the field.
  static Sequences next(const std::vector<int64_t>& past, const std::vector<int64_t>& lengths,
                        const std::vector<int64_t>& total);
};

}  // namespace longhaul
