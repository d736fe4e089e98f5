#include "ops/sequences.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>

#include "base/error.h"

namespace longhaul {
namespace {

// Positions past[b], past[b] + 1, ... of every sequence, end to end. [T] double: exact up to 2^53.
Tensor counted_positions(const Sequences& seq) {
  std::vector<Tensor> parts;
  for (int64_t b = 0; b < seq.count(); ++b) {
    parts.push_back(at::arange(seq.past[b], seq.past[b] + seq.length(b), at::kDouble));
  }
  return at::cat(parts);
}

}  // namespace

bool Sequences::consecutive() const { return positions.equal(counted_positions(*this)); }

Sequences Sequences::whole(const std::vector<int64_t>& lengths) {
  check(!lengths.empty(), "Sequences::whole: wanted at least one length, got none");
  Sequences seq;
  seq.offsets.push_back(0);
  for (int64_t length : lengths) {
    check(length >= 1, "Sequences::whole: lengths must be at least 1, got ", length);
    seq.offsets.push_back(seq.offsets.back() + length);
  }
  seq.past.assign(lengths.size(), 0);
  seq.total = lengths;
  seq.positions = counted_positions(seq);
  return seq;
}

Sequences Sequences::equal(int64_t count, int64_t length) {
  check(count >= 1, "Sequences::equal: count must be at least 1, got ", count);
  return whole(std::vector<int64_t>(static_cast<size_t>(count), length));
}

Sequences Sequences::chunk(int64_t past, int64_t length, int64_t total) { return next({past}, {length}, {total}); }

Sequences Sequences::next(const std::vector<int64_t>& past, const std::vector<int64_t>& lengths,
                          const std::vector<int64_t>& total) {
  check(!past.empty() && lengths.size() == past.size() && total.size() == past.size(),
        "Sequences::next: wanted a past, a length and a total of at least one sequence, got ", past.size(), ", ",
        lengths.size(), " and ", total.size());
  Sequences seq;
  seq.offsets.push_back(0);
  for (size_t b = 0; b < past.size(); ++b) {
    check(past[b] >= 0 && lengths[b] >= 1 && past[b] + lengths[b] <= total[b],
          "Sequences::next: wanted 0 <= past, 1 <= length and past + length <= total, got past ", past[b], ", length ",
          lengths[b], ", total ", total[b]);
    seq.offsets.push_back(seq.offsets.back() + lengths[b]);
  }
  seq.past = past;
  seq.total = total;
  seq.positions = counted_positions(seq);
  return seq;
}

}  // namespace longhaul
