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

// Which pairs are interpolated in part: between the numbers of turns beta_fast and beta_slow in the original length.
struct Ramp {
  double low, high;
};

Ramp read_ramp(RopeReader& reader, double original) {
  const RopeBase& base = reader.base;
  check(base.theta > 1, "rope: yarn needs theta > 1, found ", base.theta);
  double low = pair_of_turns(base, reader.positive("beta_fast", 32), original);
  double high = pair_of_turns(base, reader.positive("beta_slow", 1), original);
  if (reader.flag("truncate", true)) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(base.dim - 1));
  if (low == high) high += 0.001;
  reader.note("first pair interpolated in part", low, "beta_fast");
  reader.note("first pair interpolated in full", high, "beta_slow");
  return {low, high};
}

std::vector<double> frequencies_of(const RopeBase& base, const Ramp& ramp, double factor) {
  std::vector<double> frequencies = rotary_frequencies(base.theta, base.dim);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double share = std::clamp((static_cast<double>(i) - ramp.low) / (ramp.high - ramp.low), 0.0, 1.0);
    frequencies[i] *= share / factor + (1 - share);
  }
  return frequencies;
}

std::shared_ptr<const RopePolicy> make(RopeReader& reader) {
  const RopeBase& base = reader.base;
  const auto original = static_cast<double>(reader.original_length());
  reader.is_set("finetuned");  // of the authors' own files, and without a meaning here
  const double ratio = std::max(1.0, static_cast<double>(base.max_positions) / original);
  // A config may leave everything as it is; who asks for the method does not want that.
  const bool derived = !reader.current || ratio > 1;
  const double factor =
      derived ? reader.factor_or(ratio, "max_position_embeddings / original_max_position_embeddings") : reader.factor();
  const Ramp ramp = read_ramp(reader, original);
  return fixed_rope(frequencies_of(base, ramp, factor), attention_factor(reader, factor));
}

// The factor is that of the present text: max(1, length / original).
class DynamicYarn : public RopePolicy {
 public:
  DynamicYarn(const RopeBase& base, const Ramp& ramp, double original)
      : base_(base), ramp_(ramp), original_(original) {}
  std::vector<double> frequencies(int64_t length) const override {
    return frequencies_of(base_, ramp_, factor(length));
  }
  double attention_factor(int64_t length) const override { return magnitude(factor(length), 1); }
  bool moves_with_length() const override { return true; }

 private:
  double factor(int64_t length) const { return std::max(1.0, static_cast<double>(length) / original_); }
  RopeBase base_;
  Ramp ramp_;
  double original_;
};

}  // namespace

LH_REGISTER(RopeTypes, "yarn",
            "slow pairs interpolated by factor=, fast ones left, logits sharpened: beta_fast=32, beta_slow=1", make);

LH_REGISTER(RopeTypes, "dynamic-yarn", "yarn whose factor is the present length by the original one",
            [](RopeReader& reader) {
              const auto original = static_cast<double>(reader.original_length());
              return std::make_shared<DynamicYarn>(reader.base, read_ramp(reader, original), original);
            });

}  // namespace longhaul
