// Learned absolute embeddings: a table as long as the training length and no longer (GPT-2).
#include <ATen/ops/embedding.h>

#include <cmath>

#include "pos/encoding.h"

namespace longhaul {

namespace {

class Learned : public Encoding {
 public:
  Learned(Spec& spec, const EncodingContext& context) {
    longest_ = spec.length("max", context.trained_length);
    check(longest_ >= 1, "learned: max must be at least 1, got ", longest_);
    table_ = context.parameters->add(context.root + "wpe.weight", {longest_, context.width},
                                     Init::normal(context.init_deviation));
  }

  Tensor embed(const Plan& plan) const override {
    const Tensor positions = plan.seq.positions.contiguous();
    const double* values = positions.const_data_ptr<double>();
    for (int64_t t = 0; t < positions.numel(); ++t)
      check(values[t] >= 0 && values[t] < static_cast<double>(longest_) && values[t] == std::floor(values[t]),
            "learned: wanted whole positions from 0 to ", longest_ - 1, ", where the table ends, found ", values[t]);
    return at::embedding(table_, positions.to(at::kLong));
  }

  Traits traits() const override {
    return {.longest = longest_, .causal_only = false, .limit = "the table ends at the trained length"};
  }

 private:
  int64_t longest_;
  Tensor table_;  // [Lmax, C]
};

}  // namespace

LH_REGISTER(Encodings, "learned", "a learned table of max=<trained length> positions; nothing beyond it",
            [](Spec& spec, const EncodingContext& context) { return std::make_unique<Learned>(spec, context); });

}  // namespace longhaul
