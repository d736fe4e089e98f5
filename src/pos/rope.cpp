// Rotary position embedding (Su et al. 2021, arXiv 2104.09864): pair k of each head turns by position * theta^(-2k/dim).
#include "pos/encoding.h"
#include "pos/rotation.h"

namespace longhaul {

namespace {

class Rope : public Encoding {
 public:
  Rope(Spec& spec, const EncodingContext& context) : dtype_(context.parameters->dtype()) {
    bool upstream = spec.choice("variant", {"standard", "upstream"}, "standard") == "upstream";
    theta_ = spec.number("theta", 10000);
    // Upstream fixes the rotary width at 64 whatever the head size (specs/cable.md section 2).
    dim_ = spec.integer("dim", upstream ? 64 : context.head_dim);
    layout_ = spec.choice("layout", {"interleaved", "half"}, "interleaved") == "half" ? RotaryLayout::half
                                                                                      : RotaryLayout::interleaved;
    check(theta_ > 0, "rope: theta must be > 0, got ", theta_);
    check(dim_ >= 2 && dim_ % 2 == 0 && dim_ <= context.head_dim, "rope: dim must be even, in 2..", context.head_dim,
          " (the head size), got ", dim_);
  }

  Plan prepare(const Sequences& seq, const Step& step) const override {
    Plan plan = Encoding::prepare(seq, step);
    plan.rotation = rotary_tables(plan.seq.positions, theta_, dim_, layout_, dtype_);
    return plan;
  }

 private:
  at::ScalarType dtype_;
  double theta_;
  int64_t dim_;
  RotaryLayout layout_;
};

}  // namespace

LH_REGISTER(Encodings, "rope",
            "rotary embedding: theta=10000, dim=head size, layout=interleaved|half, variant=upstream (dim 64)",
            [](Spec& spec, const EncodingContext& context) { return std::make_unique<Rope>(spec, context); });

}  // namespace longhaul
