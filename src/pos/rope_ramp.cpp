#include "pos/rope_ramp.h"

#include <cmath>
#include <numbers>

namespace longhaul {

namespace {

// The pair (a real number) that turns `turns` times in `length` tokens.
double pair_of_turns(const RopeBase& base, double turns, double length) {
  return static_cast<double>(base.dim) * std::log(length / (2 * std::numbers::pi * turns)) / (2 * std::log(base.theta));
}

}  // namespace

RopeRamp rope_ramp(const RopeBase& base, double fast, double slow, double length, bool whole) {
  RopeRamp ramp{pair_of_turns(base, fast, length), pair_of_turns(base, slow, length)};
  if (whole) ramp.low = std::floor(ramp.low), ramp.high = std::ceil(ramp.high);
  ramp.low = std::max(ramp.low, 0.0);
  ramp.high = std::min(ramp.high, static_cast<double>(base.dim - 1));
  if (ramp.low == ramp.high) ramp.high += 0.001;
  return ramp;
}

}  // namespace longhaul
