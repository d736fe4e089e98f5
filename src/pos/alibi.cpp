// ALiBi (Press et al. 2022, arXiv 2108.12409): a fixed slope per head, -m_h (i - j). The separable bias with s = -position.
#include "pos/alibi.h"

#include <ATen/ops/tensor.h>

#include <cmath>

#include "pos/encoding.h"

namespace longhaul {

namespace {

// The paper's slopes for a power of two: 2^(-8n/H), n = 1..H. Upstream uses this formula for every H. The paper's 8 is `max`.
std::vector<double> geometric_slopes(int64_t heads, double max) {
  std::vector<double> slopes;
  for (int64_t n = 1; n <= heads; ++n)
    slopes.push_back(std::exp2(-max * static_cast<double>(n) / static_cast<double>(heads)));
  return slopes;
}

class Alibi : public Encoding {
 public:
  Alibi(Spec& spec, const EncodingContext& context) {
    bool upstream = spec.choice("variant", {"standard", "upstream"}, "standard") == "upstream";
    const double max = spec.number("max", 8);
    check(max > 0, "alibi: max must be > 0, got ", max);
    auto slopes = upstream ? geometric_slopes(context.heads, max) : alibi_slopes(context.heads, max);
    slopes_ = at::tensor(slopes, at::TensorOptions(context.parameters->dtype()));
  }

  Bias bias(int64_t, const AttentionCall& call) const override {
    int64_t heads = slopes_.size(0);
    Tensor s = call.key_positions().neg().unsqueeze(1).expand({-1, heads});
    return SeparableBias{slopes_.unsqueeze(0).expand({call.q.size(0), heads}), s};
  }

  Traits traits() const override { return {.causal_only = false}; }

 private:
  Tensor slopes_;  // [H]
};

}  // namespace

std::vector<double> alibi_slopes(int64_t heads, double max) {
  int64_t power = 1;
  while (power * 2 <= heads) power *= 2;
  std::vector<double> slopes = geometric_slopes(power, max), doubled = geometric_slopes(2 * power, max);
  for (int64_t n = 0; static_cast<int64_t>(slopes.size()) < heads; n += 2) slopes.push_back(doubled[n]);
  return slopes;
}

LH_REGISTER(Encodings, "alibi",
            "fixed linear distance penalty per head: max=8; variant=upstream: 2^(-8n/H) for every head count",
            [](Spec& spec, const EncodingContext& context) { return std::make_unique<Alibi>(spec, context); });

}  // namespace longhaul
