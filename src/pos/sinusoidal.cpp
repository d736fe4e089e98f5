// Sinusoidal embeddings (Vaswani et al. 2017, arXiv 1706.03762), added once to the token embeddings. Any length.
#include <ATen/ops/stack.h>

#include <cmath>

#include "pos/encoding.h"
#include "pos/rotation.h"

namespace longhaul {

namespace {

class Sinusoidal : public Encoding {
 public:
  Sinusoidal(Spec& spec, const EncodingContext& context) : width_(context.width), dtype_(context.parameters->dtype()) {
    upstream_ = spec.choice("variant", {"standard", "upstream"}, "standard") == "upstream";
    // The paper adds the waves to embeddings multiplied by sqrt(width). Upstream keeps its embeddings (deviation 0.02) and
    // multiplies the waves by 0.1 (specs/cable.md section 2).
    scale_ = spec.number("scale", upstream_ ? 0.1 : 1.0);
    check(width_ % 2 == 0, "sinusoidal: the model's width must be even, got ", width_);
  }

  double embedding_scale() const override { return upstream_ ? 1 : std::sqrt(static_cast<double>(width_)); }

  Tensor embed(const Plan& plan) const override {
    const Rotation waves =
        rotary_tables(plan.seq.positions, rotary_frequencies(10000, width_), scale_, RotaryLayout::interleaved, dtype_);
    return at::stack({waves.sin, waves.cos}, -1).flatten(1);
  }

  Traits traits() const override { return {.causal_only = false}; }

 private:
  bool upstream_;
  int64_t width_;
  at::ScalarType dtype_;
  double scale_;
};

}  // namespace

LH_REGISTER(Encodings, "sinusoidal",
            "sines and cosines added to the embeddings: scale=1; variant=upstream: scale 0.1, embeddings as they are",
            [](Spec& spec, const EncodingContext& context) { return std::make_unique<Sinusoidal>(spec, context); });

}  // namespace longhaul
