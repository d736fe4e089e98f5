// LongRoPE (Ding et al. 2024, arXiv 2402.13753): a divisor for each pair, one list for texts up to the original length, another
// for longer ones.
#include <cmath>

#include "pos/rope_policy.h"
#include "pos/rotation.h"

namespace longhaul {

namespace {

std::vector<double> divided(std::vector<double> frequencies, const std::vector<double>& divisors) {
  for (size_t i = 0; i < frequencies.size(); ++i) frequencies[i] /= divisors[i];
  return frequencies;
}

class LongRope : public RopePolicy {
 public:
  LongRope(std::vector<double> as_short, std::vector<double> as_long, int64_t original, double factor)
      : short_(std::move(as_short)), long_(std::move(as_long)), original_(original), factor_(factor) {}
  std::vector<double> frequencies(int64_t length) const override { return length > original_ ? long_ : short_; }
  double attention_factor(int64_t) const override { return factor_; }
  bool moves_with_length() const override { return true; }

 private:
  std::vector<double> short_, long_;
  int64_t original_;
  double factor_;
};

// sqrt(1 + ln(factor) / ln(original)), in short texts too.
double attention_factor(RopeReader& reader, double factor, int64_t original) {
  if (const std::optional<double> given = reader.optional("attention_factor")) return *given;
  const double value = factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(static_cast<double>(original)));
  reader.note("attention_factor", value, "sqrt(1 + ln factor / ln original)");
  return value;
}

}  // namespace

LH_REGISTER(RopeTypes, "longrope",
            "a divisor for each pair: short_factor up to the original length, long_factor beyond",
            [](RopeReader& reader) {
              const RopeBase& base = reader.base;
              const int64_t original = reader.original_length();
              check(original > 1, "rope: longrope wants an original length > 1, found ", original);
              const double factor =
                  reader.factor_or(static_cast<double>(base.max_positions) / static_cast<double>(original),
                                   "max_position_embeddings / original_max_position_embeddings");
              const std::vector<double> plain = rotary_frequencies(base.theta, base.dim);
              auto as_short = divided(plain, reader.pairs("short_factor"));
              auto as_long = divided(plain, reader.pairs("long_factor"));
              return std::make_shared<LongRope>(std::move(as_short), std::move(as_long), original,
                                                attention_factor(reader, factor, original));
            });

}  // namespace longhaul
