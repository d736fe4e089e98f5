// YaRN (Peng et al. 2023, arXiv 2309.00071): slow pairs interpolated, fast ones left, a ramp between, logits made sharper.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "pos/rope_policy.h"
#include "pos/rotation.h"

namespace longhaul {

namespace {

// The pair (a real number) that turns `turns` times in `length` tokens.
double pair_of_turns(const RopeBase& base, double turns, double length) {
  return static_cast<double>(base.dim) * std::log(length / (2 * std::numbers::pi * turns)) / (2 * std::log(base.theta));
}

// g(s, m): the paper's logit temperature, equation 22, for a multiplier m.
double magnitude(double factor, double multiplier) { return factor <= 1 ? 1 : 0.1 * multiplier * std::log(factor) + 1; }

double attention_factor(RopeReader& reader, double factor) {
  const std::optional<double> given = reader.optional("attention_factor");
  const double all = reader.positive("mscale_all_dim", 0), scale = reader.positive("mscale", 0);
  if (given) return *given;
  const double value = all > 0 && scale > 0 ? magnitude(factor, scale) / magnitude(factor, all) : magnitude(factor, 1);
  reader.note("attention_factor", value,
              all > 0 && scale > 0 ? "g(factor, mscale) / g(factor, mscale_all_dim)" : "0.1 ln(factor) + 1");
  return value;
}

std::shared_ptr<const RopePolicy> make(RopeReader& reader) {
  const RopeBase& base = reader.base;
  check(base.theta > 1, "rope: yarn needs theta > 1, found ", base.theta);
  const auto original = static_cast<double>(reader.original_length());
  const double factor = reader.factor_or(std::max(1.0, static_cast<double>(base.max_positions) / original),
                                         "max_position_embeddings / original_max_position_embeddings");
  double low = pair_of_turns(base, reader.positive("beta_fast", 32), original);
  double high = pair_of_turns(base, reader.positive("beta_slow", 1), original);
  if (reader.flag("truncate", true)) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(base.dim - 1));
  if (low == high) high += 0.001;
  reader.note("first pair interpolated in part", low, "beta_fast");
  reader.note("first pair interpolated in full", high, "beta_slow");
  std::vector<double> frequencies = rotary_frequencies(base.theta, base.dim);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] *= ramp / factor + (1 - ramp);
  }
  return fixed_rope(std::move(frequencies), attention_factor(reader, factor));
}

}  // namespace

LH_REGISTER(RopeTypes, "yarn", "slow pairs interpolated by factor, fast ones left, logits sharpened", make);

}  // namespace longhaul
