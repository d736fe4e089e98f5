// Llama 3.1's scaling: by wavelength against the original length; short waves stay, long ones are divided, a line between.
#include <numbers>

#include "pos/rope_policy.h"
#include "pos/rotation.h"

namespace longhaul {

LH_REGISTER(
    RopeTypes, "llama3",
    "Llama 3.1: long waves divided by factor=, short ones left, a line between: low_freq_factor=, high_freq_factor=",
    [](RopeReader& reader) {
      const double factor = reader.factor(), low = reader.required("low_freq_factor"),
                   high = reader.required("high_freq_factor");
      if (low >= high) reader.refuse("high_freq_factor", str("a number > low_freq_factor, ", low));
      const auto original = static_cast<double>(reader.original_length());
      std::vector<double> frequencies = rotary_frequencies(reader.base.theta, reader.base.dim);
      for (double& frequency : frequencies) {
        const double turns = original * frequency / (2 * std::numbers::pi);  // in the original length
        const double smooth = turns < low ? 0 : turns > high ? 1 : (turns - low) / (high - low);
        frequency *= (1 - smooth) / factor + smooth;
      }
      return fixed_rope(std::move(frequencies));
    });

}  // namespace longhaul
