// Position interpolation (Chen et al. 2023, arXiv 2306.15595): every position divided by the factor.
#include "pos/rope_policy.h"
#include "pos/rotation.h"

namespace longhaul {

namespace {

std::shared_ptr<const RopePolicy> make(RopeReader& reader) {
  std::vector<double> frequencies = rotary_frequencies(reader.base.theta, reader.base.dim);
  const double factor = reader.factor();
  for (double& frequency : frequencies) frequency /= factor;
  return fixed_rope(std::move(frequencies));
}

}  // namespace

LH_REGISTER(RopeTypes, "linear", "position interpolation: every frequency divided by factor=", make);
LH_REGISTER(RopeTypes, "pi", "the same as linear", make);

}  // namespace longhaul
