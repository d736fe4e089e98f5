// YaRN (Peng et al. 2023, arXiv 2309.00071): slow pairs interpolated, fast ones left, a ramp between, logits made sharper.
#include <algorithm>
#include <cmath>

#include "pos/rope_ramp.h"
#include "pos/rotation.h"

namespace longhaul {

namespace {

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
RopeRamp read_ramp(RopeReader& reader, double original) {
  check(reader.base.theta > 1, "rope: yarn needs theta > 1, found ", reader.base.theta);
  const double fast = reader.positive("beta_fast", 32), slow = reader.positive("beta_slow", 1);
  const RopeRamp ramp = rope_ramp(reader.base, fast, slow, original, reader.flag("truncate", true));
  reader.note("first pair interpolated in part", ramp.low, "beta_fast");
  reader.note("first pair interpolated in full", ramp.high, "beta_slow");
  return ramp;
}

std::vector<double> frequencies_of(const RopeBase& base, const RopeRamp& ramp, double factor) {
  std::vector<double> frequencies = rotary_frequencies(base.theta, base.dim);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double share = ramp.at(i);
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
  const RopeRamp ramp = read_ramp(reader, original);
  return fixed_rope(frequencies_of(base, ramp, factor), attention_factor(reader, factor));
}

// The factor is that of the present text: max(1, length / original).
class DynamicYarn : public RopePolicy {
 public:
  DynamicYarn(const RopeBase& base, const RopeRamp& ramp, double original)
      : base_(base), ramp_(ramp), original_(original) {}
  std::vector<double> frequencies(int64_t length) const override {
    return frequencies_of(base_, ramp_, factor(length));
  }
  double attention_factor(int64_t length) const override { return magnitude(factor(length), 1); }
  bool moves_with_length() const override { return true; }

 private:
  double factor(int64_t length) const { return std::max(1.0, static_cast<double>(length) / original_); }
  RopeBase base_;
  RopeRamp ramp_;
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
