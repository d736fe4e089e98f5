// Rotary position embedding (Su et al. 2021, arXiv 2104.09864): pair k of each head turns by position * theta^(-2k/dim).
#include "pos/rotary_encoding.h"
#include "pos/rotation.h"

namespace longhaul {

namespace {

std::unique_ptr<Encoding> make_rope(Spec& spec, const EncodingContext& context) {
  const bool upstream = spec.choice("variant", {"standard", "upstream"}, "standard") == "upstream";
  Rope rope;
  rope.type = "default";
  rope.base.theta = spec.number("theta", 10000);
  // Upstream fixes the rotary width at 64 whatever the head size (specs/cable.md section 2).
  rope.base.dim = spec.integer("dim", upstream ? 64 : context.head_dim);
  rope.layout = spec.choice("layout", {"interleaved", "half"}, "interleaved") == "half" ? RotaryLayout::half
                                                                                        : RotaryLayout::interleaved;
  check(rope.base.theta > 0, "rope: theta must be > 0, got ", rope.base.theta);
  check(rope.base.dim >= 2 && rope.base.dim % 2 == 0 && rope.base.dim <= context.head_dim,
        "rope: dim must be even, in 2..", context.head_dim, " (the head size), got ", rope.base.dim);
  rope.base.max_positions = context.trained_length;
  rope.facts = {rope_fact("rope_theta", rope.base.theta, spec.has("theta") ? "position" : "default"),
                rope_fact("rotary dimensions", static_cast<double>(rope.base.dim), "position")};
  rope.policy_facts = {{"rope_type", "default", "position"}};
  rope.policy = fixed_rope(rotary_frequencies(rope.base.theta, rope.base.dim));
  return std::make_unique<RotaryEncoding>(std::move(rope), context.parameters->dtype());
}

}  // namespace

LH_REGISTER(Encodings, "rope",
            "rotary embedding: theta=10000, dim=head size, layout=interleaved|half, variant=upstream (dim 64)",
            make_rope);

}  // namespace longhaul
