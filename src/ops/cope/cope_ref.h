// The definition of CoPE (arXiv 2405.18719, equations 3 to 5), one query at a time.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

namespace longhaul::ref {

// logits of the keys that the query sees, its own the last; values of the whole positions.
template <class S>
std::vector<S> cope(const std::vector<S>& logits, const std::vector<S>& values) {
  std::vector<S> out = logits;
  S counted = 0;
  for (size_t j = logits.size(); j-- > 0;) {
    counted += 1 / (1 + std::exp(-logits[j]));
    const S p = std::min(counted, static_cast<S>(values.size() - 1)), below = std::floor(p);
    const S from = values[static_cast<size_t>(below)], to = values[static_cast<size_t>(std::ceil(p))];
    out[j] += from + (p - below) * (to - from);
  }
  return out;
}

}  // namespace longhaul::ref
