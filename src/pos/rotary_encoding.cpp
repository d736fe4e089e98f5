#include "pos/rotary_encoding.h"

#include <ATen/ops/zeros.h>

#include <utility>

#include "pos/rotation.h"

namespace longhaul {

RotaryEncoding::RotaryEncoding(Rope rope, at::ScalarType dtype) : rope_(std::move(rope)), dtype_(dtype) {}

RotaryEncoding::RotaryEncoding(Rope rope, Rope local, std::vector<bool> is_local, at::ScalarType dtype)
    : rope_(std::move(rope)), local_(std::move(local)), is_local_(std::move(is_local)), dtype_(dtype) {}

Plan RotaryEncoding::prepare(const Sequences& seq, const Step& step) const {
  Plan plan = Encoding::prepare(seq, step);
  const int64_t* offsets = seq.offsets.data();
  plan.rotation = tables(rope_, seq.positions, offsets, offsets + 1, seq.total);
  if (local_) plan.local_rotation = tables(*local_, seq.positions, offsets, offsets + 1, seq.total);
  return plan;
}

const Rotation& RotaryEncoding::rotation(int64_t layer, const Plan& plan) const {
  return is_local(layer) ? plan.local_rotation : plan.rotation;
}

bool RotaryEncoding::moves_with_length() const {
  auto moves = [](const Rope& rope) { return rope.policy->moves_with_length() && !rope.anew; };
  return moves(rope_) || (local_ && moves(*local_));
}

bool RotaryEncoding::begins_anew(int64_t length, int64_t next) const {
  auto differs = [&](const Rope& rope) {
    return rope.anew && rope.policy->frequencies(length) != rope.policy->frequencies(next);
  };
  return differs(rope_) || (local_ && differs(*local_));
}

Rotation RotaryEncoding::key_rotation(int64_t layer, const Tensor& key_positions, const AttentionSpans& spans,
                                      const Plan& plan) const {
  return tables(is_local(layer) ? *local_ : rope_, key_positions, spans.key_begin.data(), spans.key_end.data(),
                plan.seq.total);
}

Rotation RotaryEncoding::tables(const Rope& rope, const Tensor& positions, const int64_t* begin, const int64_t* end,
                                const std::vector<int64_t>& total) const {
  const RopePolicy& policy = *rope.policy;
  const double factor = policy.attention_factor();
  if (!policy.moves_with_length()) return rotary_tables(positions, policy.frequencies(0), factor, rope.layout, dtype_);
  const auto options = positions.options().dtype(dtype_);
  Rotation all{at::zeros({positions.size(0), rope.base.dim / 2}, options),
               at::zeros({positions.size(0), rope.base.dim / 2}, options), rope.layout};
  for (size_t b = 0; b < total.size(); ++b) {
    const int64_t first = begin[b], count = end[b] - first;
    const Rotation one =
        rotary_tables(positions.narrow(0, first, count), policy.frequencies(total[b]), factor, rope.layout, dtype_);
    all.cos.narrow(0, first, count).copy_(one.cos);
    all.sin.narrow(0, first, count).copy_(one.sin);
  }
  return all;
}

Traits RotaryEncoding::traits() const {
  Traits traits;
  if (moves_with_length())
    traits.note = str("rope type ", rope_.type,
                      " moves with the length: every rotation is exact at every step, while deeper layers' keys and "
                      "values were made with the frequencies of their time");
  else if (rope_.policy->moves_with_length())
    traits.note = str("rope type ", rope_.type, ": a text is read anew where other frequencies begin");
  return traits;
}

std::vector<EncodingFact> RotaryEncoding::facts() const {
  std::vector<EncodingFact> facts = rope_.facts;
  if (local_)
    for (const EncodingFact& fact : local_->facts) facts.push_back({"local " + fact.name, fact.value, fact.source});
  return facts;
}

}  // namespace longhaul
