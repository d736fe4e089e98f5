// Learned absolute embeddings: a table as long as the training length and no longer (GPT-2).
#include <ATen/ops/embedding.h>

#include "pos/encoding.h"

namespace longhaul {

namespace {

class Learned : public Encoding {
 public:
  Learned(Spec& spec, const EncodingContext& context) {
    longest_ = spec.length("max", context.trained_length);
    table_ = context.parameters->add(context.root + "wpe.weight", {longest_, context.width},
                                     Init::normal(context.init_deviation));
  }

  Tensor embed(const Plan& plan) const override {
    for (int64_t b = 0; b < plan.seq.count(); ++b)
      check(plan.seq.past[b] + plan.seq.length(b) <= longest_, "learned: positions end at ", longest_, ", asked for ",
            plan.seq.past[b] + plan.seq.length(b), " tokens");
    return at::embedding(table_, plan.seq.positions.to(at::kLong));
  }

  Traits traits() const override {
    return {.longest = longest_, .causal_only = false, .note = "the table ends at the trained length"};
  }

 private:
  int64_t longest_;
  Tensor table_;  // [Lmax, C]
};

}  // namespace

LH_REGISTER(Encodings, "learned", "a learned table of max=<trained length> positions; nothing beyond it",
            [](Spec& spec, const EncodingContext& context) { return std::make_unique<Learned>(spec, context); });

}  // namespace longhaul
