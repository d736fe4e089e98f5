#include "methods/planned_encoding.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "ops/attention/ranged_attention.h"

namespace longhaul {

namespace {

// How far a position is moved.
KeptTables::Position shift(const FarPairs::Position& position) {
  if (!position) return [](double) { return 0.0; };
  return [position](double i) { return position(i) - i; };
}

KeptTables shifts(const RotaryEncoding* rotary, const std::optional<FarPairs>& far, bool of_queries) {
  if (!rotary || !far) return {RotaryLayout::half, at::kFloat};
  return {rotary->rope().layout, rotary->dtype(), shift(of_queries ? far->query : far->key)};
}

// x [N, heads, D] turned on.
Tensor turned(const Tensor& x, const Rotation& rotation) {
  const Tensor rows = x.clone(at::MemoryFormat::Contiguous).view({x.size(0), x.size(1) * x.size(2)});
  return rotate_heads_(rows, x.size(1), x.size(2), rotation).view(x.sizes());
}

Rotation rows_of(const Rotation& all, int64_t begin, int64_t count) {
  return {all.cos.narrow(0, begin, count), all.sin.narrow(0, begin, count), all.layout};
}

}  // namespace

PlannedEncoding::PlannedEncoding(std::unique_ptr<Encoding> base, LengthPlan plan)
    : OverBase(std::move(base)),
      plan_(std::move(plan)),
      rotary_(dynamic_cast<const RotaryEncoding*>(base_.get())),
      query_shifts_(shifts(rotary_, plan_.far, true)),
      key_shifts_(shifts(rotary_, plan_.far, false)) {
  check(!plan_.far || rotary_, "far pairs: the model has no rotary positions");
}

Plan PlannedEncoding::prepare(const Sequences& seq, const Step& step) const {
  Plan plan = base_->prepare(seq, step);
  if (!plan_.logit_scale) return plan;
  std::vector<double> scales;
  for (int64_t b = 0; b < seq.count(); ++b) {
    const int64_t length = rotary_ ? RotaryEncoding::length_of(rotary_->rope(), seq, b) : seq.total[b];
    for (int64_t r = 0; r < seq.length(b); ++r)
      scales.push_back(plan_.logit_scale(static_cast<double>(seq.past[b] + r), length));
  }
  const Tensor scale = at::tensor(scales, at::TensorOptions(at::kDouble));
  plan.row_scale = plan.row_scale.defined() ? plan.row_scale * scale : scale;
  return plan;
}

Tensor PlannedEncoding::far_queries(int64_t layer, const AttentionCall& call) const {
  const Rope& rope = rotary_->rope_of(layer);
  const Sequences& seq = call.plan->seq;
  std::vector<Tensor> cos, sin;
  for (int64_t b = 0; b < seq.count(); ++b) {
    const int64_t end = seq.past[b] + seq.length(b);
    const auto frequencies = rope.policy->frequencies(RotaryEncoding::length_of(rope, seq, b));
    const Rotation rows = rows_of(query_shifts_.rows(frequencies, 1, end), seq.past[b], seq.length(b));
    cos.push_back(rows.cos);
    sin.push_back(rows.sin);
  }
  return turned(call.q, {at::cat(cos), at::cat(sin), rope.layout});
}

Tensor PlannedEncoding::far_keys(int64_t layer, const KeyRows& rows, const Sequences& seq) const {
  const Rope& rope = rotary_->rope_of(layer);
  const auto table = [&](int64_t b, int64_t count) {
    return key_shifts_.rows(rope.policy->frequencies(RotaryEncoding::length_of(rope, seq, b)), 1, count);
  };
  const int64_t all = rows.k.size(0);
  if (seq.count() == 1 && rows.spans.key_begin[0] == 0) return turned(rows.k, table(0, all));
  Rotation rotation{at::zeros({all, rope.base.dim / 2}, at::TensorOptions(rotary_->dtype())),
                    at::zeros({all, rope.base.dim / 2}, at::TensorOptions(rotary_->dtype())), rope.layout};
  for (int64_t b = 0; b < seq.count(); ++b) {
    const int64_t begin = rows.spans.key_begin[b], count = rows.spans.key_end[b] - begin;
    const Rotation own = table(b, count);
    rotation.cos.narrow(0, begin, count).copy_(own.cos);
    rotation.sin.narrow(0, begin, count).copy_(own.sin);
  }
  return turned(rows.k, rotation);
}

Tensor PlannedEncoding::attend(int64_t layer, const AttentionCall& call) const {
  if (!plan_.far) return base_->attend(layer, call);
  const FarPairs& far = *plan_.far;
  int64_t longest = 0;
  for (size_t b = 0; b < call.spans->key_begin.size(); ++b)
    longest = std::max(longest, call.spans->key_end[b] - call.spans->key_begin[b]);
  const bool within_window = call.options.window > 0 && call.options.window <= far.window;
  if (longest <= far.window || within_window) return base_->attend(layer, call);
  check(call.plan->consecutive, "far pairs: positions must be 0, 1, 2, ...");
  KeyRows rows{call.k, call.v, *call.spans};
  if (far.key) rows = without_pages(call.k, call.v, *call.spans);
  const AttentionRange near{call.q, rows.k, 0, far.window, 0};
  const AttentionRange beyond{far_queries(layer, call), far.key ? far_keys(layer, rows, call.plan->seq) : rows.k,
                              far.window, 0, far.first_keys};
  return ranged_attention({near, beyond}, rows.v, rows.spans, call.options);
}

const RotaryEncoding* rotary_of(const Encoding& encoding) {
  const auto* planned = dynamic_cast<const PlannedEncoding*>(&encoding);
  return dynamic_cast<const RotaryEncoding*>(planned ? &planned->base() : &encoding);
}

Traits PlannedEncoding::traits() const {
  Traits traits = base_->traits();
  traits.by_length |= plan_.scales_by_length;
  return traits;
}

std::vector<EncodingFact> PlannedEncoding::facts() const {
  std::vector<EncodingFact> facts = base_->facts();
  facts.insert(facts.end(), plan_.facts.begin(), plan_.facts.end());
  return facts;
}

}  // namespace longhaul
