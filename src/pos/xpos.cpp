// xPos (Sun et al. 2022, arXiv 2212.10554): rotary, and pair k of the query at n times zeta_k^(n / 512), of the key at m times
// zeta_k^(-m / 512), zeta_k = (2k + 0.4 D) / (1.4 D): products decay with the distance. Any length: the scales are taken relative
// to a block of queries, so that neither overflows.
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/log.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "pos/encoding.h"
#include "pos/rotation.h"

namespace longhaul {

namespace {

constexpr int64_t kBlock =
    1024;  // queries that share a centre: the largest scale is then zeta_0^(-2) = 12 for whole positions

class Xpos : public Encoding {
 public:
  Xpos(Spec& spec, const EncodingContext& context) : head_dim_(context.head_dim), dtype_(context.parameters->dtype()) {
    theta_ = spec.number("theta", 10000);
    base_ = spec.number("base", 512);
    check(theta_ > 0, "xpos: theta must be > 0, got ", theta_);
    check(base_ > 0, "xpos: base must be > 0, got ", base_);
    check(head_dim_ % 2 == 0, "xpos: the head size must be even, got ", head_dim_);
    double size = static_cast<double>(head_dim_);
    log_zeta_ = at::log((at::arange(0, head_dim_, 2, at::kDouble) + 0.4 * size) / (1.4 * size));
  }

  Plan prepare(const Sequences& seq, const Step& step) const override {
    Plan plan = Encoding::prepare(seq, step);
    plan.rotation =
        rotary_tables(plan.seq.positions, rotary_frequencies(theta_, head_dim_), 1, RotaryLayout::interleaved, dtype_);
    return plan;
  }

  Tensor attend(int64_t, const AttentionCall& given) const override {
    const KeyRows rows = without_pages(given.k, given.v, *given.spans);
    const AttentionSpans& spans = rows.spans;
    AttentionCall call = given;
    call.k = rows.k;
    call.v = rows.v;
    call.spans = &spans;
    size_t count = spans.key_begin.size();
    int64_t longest = 1;
    for (size_t b = 0; b < count; ++b) longest = std::max(longest, spans.query_offsets[b + 1] - spans.query_offsets[b]);
    if (longest <= kBlock) return attend_block(call, 0);
    std::vector<std::vector<Tensor>> pieces(count);
    for (int64_t r0 = 0; r0 < longest; r0 += kBlock) {
      Tensor out = attend_block(call, r0);
      for (size_t b = 0, begin = 0; b < count; ++b) {
        int64_t length = std::clamp<int64_t>(spans.query_offsets[b + 1] - spans.query_offsets[b] - r0, 0, kBlock);
        pieces[b].push_back(out.narrow(0, static_cast<int64_t>(begin), length));
        begin += static_cast<size_t>(length);
      }
    }
    std::vector<Tensor> all;
    for (const auto& of_sequence : pieces) all.insert(all.end(), of_sequence.begin(), of_sequence.end());
    return at::cat(all);
  }

 private:
  // Queries [r0, r0 + kBlock) of every sequence, as far as there are that many.
  Tensor attend_block(const AttentionCall& call, int64_t r0) const {
    const AttentionSpans& spans = *call.spans;
    AttentionSpans block = spans;
    block.query_offsets = {0};
    std::vector<Tensor> queries, query_shifts, row_scales;
    const Tensor key_positions = call.key_positions();
    Tensor key_shift = at::zeros_like(key_positions);
    for (size_t b = 0; b < spans.key_begin.size(); ++b) {
      int64_t begin = std::min(spans.query_offsets[b] + r0, spans.query_offsets[b + 1]);
      int64_t end = std::min(begin + kBlock, spans.query_offsets[b + 1]);
      block.query_offsets.push_back(block.query_offsets.back() + end - begin);
      block.key_end[b] -= spans.query_offsets[b + 1] - end;
      if (begin == end) continue;
      Tensor at = call.plan->seq.positions.slice(0, begin, end), centre = at[0];
      queries.push_back(call.q.slice(0, begin, end));
      query_shifts.push_back(at - centre);
      if (call.options.row_scale.defined()) row_scales.push_back(call.options.row_scale.slice(0, begin, end));
      key_shift.slice(0, spans.key_begin[b], block.key_end[b])
          .copy_(key_positions.slice(0, spans.key_begin[b], block.key_end[b]) - centre);
    }
    AttentionOptions options = call.options;
    if (!row_scales.empty()) options.row_scale = at::cat(row_scales);
    Tensor q = queries.size() == 1 ? queries[0] : at::cat(queries);
    return attention(q * scales(at::cat(query_shifts)), call.k * scales(-key_shift), call.v, block, {}, options);
  }

  // [n] double -> zeta^(shift / base) [n, 1, D].
  Tensor scales(const Tensor& shift) const {
    return at::exp(at::outer(shift / base_, log_zeta_)).repeat_interleave(2, 1).unsqueeze(1).to(dtype_);
  }

  int64_t head_dim_;
  at::ScalarType dtype_;
  double theta_, base_;
  Tensor log_zeta_;  // [D / 2] double
};

}  // namespace

LH_REGISTER(Encodings, "xpos", "rotary embedding with exponential decay: theta=10000, base=512",
            [](Spec& spec, const EncodingContext& context) { return std::make_unique<Xpos>(spec, context); });

}  // namespace longhaul
