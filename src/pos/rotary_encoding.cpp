#include "pos/rotary_encoding.h"

#include <ATen/ops/cos.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/zeros.h>

#include <utility>

#include "pos/rotation.h"

namespace longhaul {

namespace {

// Whether these are 0, 1, 2, ...
bool counts_from_zero(const double* positions, int64_t count) {
  for (int64_t j = 0; j < count; ++j)
    if (positions[j] != static_cast<double>(j)) return false;
  return true;
}

}  // namespace

RotaryEncoding::RotaryEncoding(Rope rope, at::ScalarType dtype)
    : rope_(std::move(rope)), dtype_(dtype), kept_(rope_.layout, dtype), kept_local_(rope_.layout, dtype) {}

RotaryEncoding::RotaryEncoding(Rope rope, Rope local, std::vector<bool> is_local, at::ScalarType dtype)
    : rope_(std::move(rope)),
      local_(std::move(local)),
      is_local_(std::move(is_local)),
      dtype_(dtype),
      kept_(rope_.layout, dtype),
      kept_local_(local_->layout, dtype) {}

std::unique_ptr<RotaryEncoding> RotaryEncoding::with(Rope rope) const {
  if (!local_) return std::make_unique<RotaryEncoding>(std::move(rope), dtype_);
  return std::make_unique<RotaryEncoding>(std::move(rope), *local_, is_local_, dtype_);
}

int64_t RotaryEncoding::length_of(const Rope& rope, const Sequences& seq, int64_t b) {
  return rope.policy->by_chunk() ? seq.past[b] + seq.length(b) : seq.total[b];
}

Plan RotaryEncoding::prepare(const Sequences& seq, const Step& step) const {
  Plan plan = Encoding::prepare(seq, step);
  const int64_t* offsets = seq.offsets.data();
  const auto drawn = step.training ? rope_.policy->draw(seq, step) : std::nullopt;
  if (drawn) {
    const Tensor angle = at::outer(drawn->positions, drawn->frequencies);
    plan.seq.positions = drawn->positions, plan.consecutive = false;
    plan.rotation = {at::cos(angle).to(dtype_), at::sin(angle).to(dtype_), rope_.layout};
  } else {
    plan.rotation = tables(rope_, kept_, seq.positions, offsets, offsets + 1, seq);
  }
  if (local_) plan.local_rotation = tables(*local_, kept_local_, seq.positions, offsets, offsets + 1, seq);
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
  return tables(rope_of(layer), is_local(layer) ? kept_local_ : kept_, key_positions, spans.key_begin.data(),
                spans.key_end.data(), plan.seq);
}

Rotation RotaryEncoding::tables(const Rope& rope, const KeptTables& kept, const Tensor& positions, const int64_t* begin,
                                const int64_t* end, const Sequences& seq) const {
  const RopePolicy& policy = *rope.policy;
  if (!policy.moves_with_length())
    return rotary_tables(positions, policy.frequencies(0), policy.attention_factor(0), rope.layout, dtype_);
  const auto options = positions.options().dtype(dtype_);
  Rotation all{at::zeros({positions.size(0), rope.base.dim / 2}, options),
               at::zeros({positions.size(0), rope.base.dim / 2}, options), rope.layout};
  for (int64_t b = 0; b < seq.count(); ++b) {
    const int64_t first = begin[b], count = end[b] - first, length = length_of(rope, seq, b);
    const Tensor own = positions.narrow(0, first, count).contiguous();
    const std::vector<double> frequencies = policy.frequencies(length);
    const double factor = policy.attention_factor(length);
    const Rotation one = counts_from_zero(own.const_data_ptr<double>(), count)
                             ? kept.rows(frequencies, factor, count)
                             : rotary_tables(own, frequencies, factor, rope.layout, dtype_);
    all.cos.narrow(0, first, count).copy_(one.cos);
    all.sin.narrow(0, first, count).copy_(one.sin);
  }
  return all;
}

Traits RotaryEncoding::traits() const {
  Traits traits;
  const RopePolicy& policy = *rope_.policy;
  traits.longest = policy.longest(), traits.limit = policy.limit();
  if (policy.by_chunk()) {
    traits.chunk_exact = false, traits.by_chunk = true;
    traits.note = str("rope type ", rope_.type, ": every chunk is read under the frequencies of its own end");
  } else if (moves_with_length()) {
    traits.note = str("rope type ", rope_.type,
                      " moves with the length: every rotation is exact at every step, while deeper layers' keys and "
                      "values were made with the frequencies of their time");
  } else if (policy.moves_with_length()) {
    traits.note = str("rope type ", rope_.type, ": a text is read anew where other frequencies begin");
  }
  return traits;
}

std::vector<EncodingFact> RotaryEncoding::facts() const {
  std::vector<EncodingFact> facts = rope_.policy_facts;
  facts.insert(facts.end(), rope_.facts.begin(), rope_.facts.end());
  if (!local_) return facts;
  for (const auto* some : {&local_->policy_facts, &local_->facts})
    for (const EncodingFact& fact : *some) facts.push_back({"local " + fact.name, fact.value, fact.source});
  return facts;
}

}  // namespace longhaul
