// NTK-by-parts (bloc97 2023, the form of jquesnelle/yarn before YaRN): slow pairs interpolated, middle ones as NTK-aware, fast
// ones left, with a ramp at either border.
#include <cmath>

#include "pos/rope_ramp.h"
#include "pos/rotation.h"

namespace longhaul {

namespace {

std::shared_ptr<const RopePolicy> make(RopeReader& reader) {
  const RopeBase& base = reader.base;
  check(base.theta > 1 && base.dim > 2, "rope: ntk-by-parts needs theta > 1 and at least two pairs, found ", base.theta,
        " and ", base.dim / 2);
  const double factor = reader.factor();
  const auto original = static_cast<double>(reader.original_length()), dim = static_cast<double>(base.dim);
  const RopeRamp to_slow = rope_ramp(base, 1.25, 0.75, original), to_middle = rope_ramp(base, 16, 2, original);
  std::vector<double> frequencies = rotary_frequencies(base.theta, base.dim);
  const std::vector<double> ntk = rotary_frequencies(base.theta * std::pow(factor, dim / (dim - 2)), base.dim);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double middle = 1 - to_slow.at(i), fast = 1 - to_middle.at(i);
    const double slower = frequencies[i] / factor * (1 - middle) + ntk[i] * middle;
    frequencies[i] = slower * (1 - fast) + frequencies[i] * fast;
  }
  return fixed_rope(std::move(frequencies));
}

}  // namespace

LH_REGISTER(RopeTypes, "ntk-by-parts",
            "slow pairs interpolated by factor=, middle ones NTK-aware, fast ones left, ramps between", make);

}  // namespace longhaul
