// Rotation tables of the positions f(0), f(1), f(2), ..., kept while their frequencies are asked for: what every layer and every
// step of a growing text needs again.
#pragma once
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "pos/rotation.h"

namespace longhaul {

class KeptTables {
 public:
  using Position = std::function<double(double)>;
  // `position` empty: f(j) = j.
  KeptTables(RotaryLayout layout, at::ScalarType dtype, Position position = {})
      : layout_(layout), dtype_(dtype), position_(std::move(position)) {}

  // factor * cos and sin, [count, R/2], of f(0) .. f(count - 1). Threads may call it together.
  Rotation rows(const std::vector<double>& frequencies, double factor, int64_t count) const;

 private:
  struct Kept {
    std::vector<double> frequencies;
    double factor;
    Rotation rotation;
  };
  static constexpr size_t kMost = 4;  // texts of a batch may stand under frequencies of their own
  static constexpr int64_t kLeast = 256;

  Rotation computed(const std::vector<double>& frequencies, double factor, int64_t count) const;

  RotaryLayout layout_;
  at::ScalarType dtype_;
  Position position_;
  mutable std::mutex mutex_;
  mutable std::vector<Kept> kept_;  // the last one was asked for last
};

}  // namespace longhaul
