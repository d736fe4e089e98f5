// NTK-by-parts (bloc97 2023, the form of jquesnelle/yarn before YaRN): slow pairs interpolated, middle ones as NTK-aware, fast
// ones left, with a ramp at either border.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "pos/rope_policy.h"
#include "pos/rotation.h"

namespace longhaul {

namespace {

// 1 for pairs that turn more often than `fast` times in `length` tokens, 0 for those that turn less than `slow` times.
class Mask {
 public:
  Mask(const RopeBase& base, double fast, double slow, double length)
      : low_(std::max(0.0, std::floor(pair(base, fast, length)))),
        high_(std::min(static_cast<double>(base.dim - 1), std::ceil(pair(base, slow, length)))) {
    if (low_ == high_) high_ += 0.001;
  }
  double at(size_t i) const { return 1 - std::clamp((static_cast<double>(i) - low_) / (high_ - low_), 0.0, 1.0); }

 private:
  static double pair(const RopeBase& base, double turns, double length) {
    return static_cast<double>(base.dim) * std::log(length / (2 * std::numbers::pi * turns)) /
           (2 * std::log(base.theta));
  }
  double low_, high_;
};

std::shared_ptr<const RopePolicy> make(RopeReader& reader) {
  const RopeBase& base = reader.base;
  check(base.theta > 1 && base.dim > 2, "rope: ntk-by-parts needs theta > 1 and at least two pairs, found ", base.theta,
        " and ", base.dim / 2);
  const double factor = reader.factor();
  const auto original = static_cast<double>(reader.original_length()), dim = static_cast<double>(base.dim);
  const Mask middle(base, 1.25, 0.75, original), fast(base, 16, 2, original);
  std::vector<double> frequencies = rotary_frequencies(base.theta, base.dim);
  const std::vector<double> ntk = rotary_frequencies(base.theta * std::pow(factor, dim / (dim - 2)), base.dim);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double slower = frequencies[i] / factor * (1 - middle.at(i)) + ntk[i] * middle.at(i);
    frequencies[i] = slower * (1 - fast.at(i)) + frequencies[i] * fast.at(i);
  }
  return fixed_rope(std::move(frequencies));
}

}  // namespace

LH_REGISTER(RopeTypes, "ntk-by-parts",
            "slow pairs interpolated by factor=, middle ones NTK-aware, fast ones left, ramps between", make);

}  // namespace longhaul
