// NTK-aware scaling of theta (bloc97 2023), fixed or growing with the length as transformers' type `dynamic` has it.
#include <algorithm>
#include <cmath>

#include "pos/rope_policy.h"
#include "pos/rotation.h"

namespace longhaul {

namespace {

// theta * stretch^(dim / (dim - 2)): the slowest pair turns 1 / stretch as fast, the fastest as before.
double stretched(const RopeBase& base, double stretch) {
  const auto dim = static_cast<double>(base.dim);
  return base.theta * std::pow(stretch, dim / (dim - 2));
}

void check_dim(const RopeBase& base) {
  check(base.dim > 2, "rope: scaling theta needs at least two pairs that turn, found ", base.dim / 2);
}

// Lq = max(length, max_position_embeddings); theta' = theta (factor Lq / max - (factor - 1))^(dim / (dim - 2)).
class DynamicRope : public RopePolicy {
 public:
  DynamicRope(const RopeBase& base, double factor, bool by_request)
      : base_(base), factor_(factor), by_request_(by_request) {}

  std::vector<double> frequencies(int64_t length) const override {
    const auto trained = static_cast<double>(base_.max_positions);
    const double longest = std::max(static_cast<double>(length), trained);
    return rotary_frequencies(stretched(base_, factor_ * longest / trained - (factor_ - 1)), base_.dim);
  }
  bool moves_with_length() const override { return true; }
  bool by_request() const override { return by_request_; }

 private:
  RopeBase base_;
  double factor_;
  bool by_request_;
};

}  // namespace

LH_REGISTER(RopeTypes, "dynamic",
            "NTK-aware: theta grows with the text once it is longer than the trained length: factor=1, "
            "mode=per-step|per-request",
            [](RopeReader& reader) {
              check_dim(reader.base);
              reader.note("max_position_embeddings", static_cast<double>(reader.base.max_positions),
                          "max_position_embeddings");
              const double factor = reader.current ? reader.factor_or(1, "default") : reader.factor();
              const bool by_request = reader.choice("mode", {"per-step", "per-request"}, "per-step") == "per-request";
              return std::make_shared<DynamicRope>(reader.base, factor, by_request);
            });

LH_REGISTER(RopeTypes, "ntk",
            "NTK-aware: theta times factor^(dim / (dim - 2)), at every length: factor=", [](RopeReader& reader) {
              check_dim(reader.base);
              const double theta = stretched(reader.base, reader.factor());
              reader.note("theta in force", theta, "theta * factor^(dim / (dim - 2))");
              return fixed_rope(rotary_frequencies(theta, reader.base.dim));
            });

}  // namespace longhaul
