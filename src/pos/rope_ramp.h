// The borders between rotary pairs that turn often and those that turn seldom, as YaRN and NTK-by-parts draw them.
#pragma once
#include <algorithm>
#include <cstddef>

#include "pos/rope_policy.h"

namespace longhaul {

// Over the pairs, numbered from 0: 0 up to `low`, 1 from `high` on, a line between.
struct RopeRamp {
  double low, high;
  double at(size_t pair) const { return std::clamp((static_cast<double>(pair) - low) / (high - low), 0.0, 1.0); }
};

// From the pair that turns `fast` times in `length` tokens to the one that turns `slow` times; `whole`: whole pairs around
// these. Wants theta > 1.
RopeRamp rope_ramp(const RopeBase& base, double fast, double slow, double length, bool whole = true);

}  // namespace longhaul
