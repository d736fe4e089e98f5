#include "ops/attention/attention.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

#include <array>

#include "base/error.h"
#include "ops/attention/attention_problem.h"

namespace longhaul {
namespace {

void check_reduced(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpans& spans) {
  check(q.is_cpu() && q.scalar_type() == at::kFloat && !at::GradMode::is_enabled(),
        "attention: reduced keys are for f32 queries on the CPU, without gradients");
  const bool small = k.scalar_type() == at::kChar;
  check((small || k.scalar_type() == at::kBFloat16) && v.scalar_type() == k.scalar_type(),
        "attention: reduced keys and values must both be bfloat16 or int8, got ", c10::toString(k.scalar_type()), ", ",
        c10::toString(v.scalar_type()));
  for (const Tensor* scale : {&spans.k_scale, &spans.v_scale}) {
    const auto rows = v.sizes().slice(0, static_cast<size_t>(v.dim() - 1));
    check(!small || (scale->defined() && scale->sizes() == rows && scale->scalar_type() == at::kFloat),
          "attention: int8 keys and values need f32 scales ", rows);
  }
}

void check_heads(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpans& spans) {
  check(q.dim() == 3, "attention: q must be [T, H, D], got ", q.sizes());
  if (spans.pages) {
    check(v.dim() == 4 && v.size(2) == kPageRows && v.size(3) == q.size(2),
          "attention: a pool of values must be [pages, G, ", kPageRows, ", D] with D = ", q.size(2), ", got ",
          v.sizes());
    const std::array<int64_t, 4> wanted = {v.size(0), v.size(1), v.size(3), v.size(2)};
    check(k.sizes() == at::IntArrayRef(wanted), "attention: a pool of keys must be [pages, G, D, ", kPageRows,
          "] beside values ", v.sizes(), ", got ", k.sizes());
    check(k.is_contiguous() && v.is_contiguous(), "attention: pools must be contiguous, got strides ", k.strides(),
          " and ", v.strides());
  } else {
    check(k.dim() == 3 && k.size(2) == q.size(2), "attention: k must be [S, G, D] with D = ", q.size(2), ", got ",
          k.sizes());
    check(v.sizes() == k.sizes(), "attention: v must be like k ", k.sizes(), ", got ", v.sizes());
  }
  check(q.size(2) >= 1 && q.size(2) <= 256, "attention: D must be in 1..256, got ", q.size(2));
  check(k.size(1) >= 1 && q.size(1) % k.size(1) == 0, "attention: H must be a multiple of G, got H = ", q.size(1),
        ", G = ", k.size(1));
  const auto dtype = q.scalar_type();
  check(dtype == at::kFloat || dtype == at::kBFloat16 || dtype == at::kDouble,
        "attention: q must be float, bfloat16 or double, got ", c10::toString(dtype));
  if (spans.reduced) check_reduced(q, k, v, spans);
  check(spans.reduced || (k.scalar_type() == dtype && v.scalar_type() == dtype),
        "attention: q, k and v must have one dtype, got ", c10::toString(dtype), ", ", c10::toString(k.scalar_type()),
        ", ", c10::toString(v.scalar_type()));
  for (const Tensor* t : {&q, &k, &v}) {
    check(t->size(-1) == 1 || t->stride(-1) == 1,
          "attention: the last dimension of q, k and v must be contiguous, got strides ", t->strides());
    check(t->device() == q.device(), "attention: q, k and v must be on one device");
  }
}

void check_spans(const AttentionSpans& spans, int64_t tokens, int64_t keys) {
  const size_t count = spans.key_begin.size();
  check(spans.key_end.size() == count && spans.query_offsets.size() == count + 1,
        "attention: spans must hold B + 1 query offsets, B key begins and B key ends, got ", spans.query_offsets.size(),
        ", ", count, ", ", spans.key_end.size());
  check(spans.query_offsets.front() == 0 && spans.query_offsets.back() == tokens,
        "attention: query offsets must go from 0 to T = ", tokens, ", got ", spans.query_offsets.front(), " to ",
        spans.query_offsets.back());
  for (size_t b = 0; b < count; ++b) {
    check(spans.query_offsets[b] <= spans.query_offsets[b + 1], "attention: query offsets must not fall, sequence ", b,
          " goes from ", spans.query_offsets[b], " to ", spans.query_offsets[b + 1]);
    check(0 <= spans.key_begin[b] && spans.key_begin[b] <= spans.key_end[b] && spans.key_end[b] <= keys,
          "attention: keys of sequence ", b, " must lie in 0..S = ", keys, ", got ", spans.key_begin[b], "..",
          spans.key_end[b]);
  }
}

void check_pages(const AttentionSpans& spans, int64_t pool_pages) {
  check(!at::GradMode::is_enabled(), "attention: keys in pages have no gradients, call it without gradients");
  check(spans.pages->size() == spans.key_begin.size(), "attention: wanted a list of pages for each of ",
        spans.key_begin.size(), " sequences, got ", spans.pages->size());
  int64_t begin = 0;
  for (size_t b = 0; b < spans.pages->size(); ++b) {
    const std::vector<int64_t>& pages = (*spans.pages)[b];
    const int64_t room = static_cast<int64_t>(pages.size()) * kPageRows;
    check(spans.key_begin[b] == begin && spans.key_end[b] <= begin + room, "attention: keys of sequence ", b,
          " must lie in rows ", begin, "..", begin + room, " of its pages, got ", spans.key_begin[b], "..",
          spans.key_end[b]);
    for (int64_t page : pages) {
      check(page >= 0 && page < pool_pages, "attention: page ", page, " of sequence ", b, " is outside a pool of ",
            pool_pages);
    }
    begin += room;
  }
}

// Pages of a pool [pages, ...] in the order of the sequences.
Tensor selected_pages(const Tensor& pool, const PageTable& pages) {
  std::vector<int64_t> all;
  for (const std::vector<int64_t>& sequence : pages) all.insert(all.end(), sequence.begin(), sequence.end());
  return at::index_select(pool, 0, at::tensor(all, at::TensorOptions(at::kLong)).to(pool.device()));
}

// Rows that key_begin and key_end count.
int64_t key_rows(const AttentionSpans& spans, const Tensor& k) {
  if (!spans.pages) return k.size(0);
  int64_t pages = 0;
  for (const std::vector<int64_t>& sequence : *spans.pages) pages += static_cast<int64_t>(sequence.size());
  return pages * kPageRows;
}

void check_options(const AttentionOptions& options, int64_t tokens) {
  check(options.window >= 0, "attention: window must not be negative, got ", options.window);
  check(options.window == 0 || options.causal, "attention: a window needs a causal call");
  check(options.soft_cap >= 0, "attention: soft_cap must not be negative, got ", options.soft_cap);
  check(options.skip_eps >= 0 && options.skip_eps < 1, "attention: skip_eps must be in [0, 1), got ", options.skip_eps);
  const Tensor& scale = options.row_scale;
  if (!scale.defined()) return;
  check(scale.dim() == 1 && scale.size(0) == tokens && scale.scalar_type() == at::kDouble,
        "attention: row_scale must be [T] = [", tokens, "] double, got ", scale.sizes(), " ",
        c10::toString(scale.scalar_type()));
  check(!scale.requires_grad(), "attention: row_scale is not differentiable");
}

void check_separable(const Tensor& g, const Tensor& s, const Tensor& q, int64_t keys) {
  check(s.defined() && s.dim() == 2 && s.size(0) == keys && s.size(1) == q.size(1) && s.scalar_type() == at::kDouble,
        "attention: s must be [S, H] = [", keys, ", ", q.size(1), "] double, got ",
        s.defined() ? longhaul::str(s.sizes(), " ", c10::toString(s.scalar_type())) : "an undefined tensor");
  check(!g.defined() || (g.dim() == 2 && g.size(0) == q.size(0) && g.size(1) == q.size(1) && g.is_floating_point()),
        "attention: g must be [T, H] = [", q.size(0), ", ", q.size(1), "], got ",
        g.defined() ? longhaul::str(g.sizes()) : "");
}

// Fills the kind of bias in and returns its tensors.
struct UnpackBias {
  AttentionProblem& problem;
  const Tensor &q, &k;

  std::vector<Tensor> operator()(std::monostate) const { return {}; }
  std::vector<Tensor> operator()(const DistanceBias& bias) const {
    problem.bias = BiasKind::distance;
    check(problem.options.causal, "attention: a distance bias needs a causal call");
    check(bias.table.defined() && bias.table.dim() == 2 && bias.table.size(0) == q.size(1) && bias.table.size(1) >= 1,
          "attention: the bias table must be [H, Lmax] with H = ", q.size(1), ", got ",
          bias.table.defined() ? longhaul::str(bias.table.sizes()) : "an undefined tensor");
    return {bias.table};
  }
  std::vector<Tensor> operator()(const SeparableBias& bias) const {
    problem.bias = BiasKind::separable;
    return separable(bias.g, bias.s);
  }
  std::vector<Tensor> operator()(const SeparableKernel& bias) const {
    problem.bias = BiasKind::kernel;
    problem.kernel = bias.kernel;
    return separable(bias.g, bias.s);
  }
  std::vector<Tensor> operator()(const RowBlockBias& bias) const {
    problem.bias = BiasKind::rows;
    check(static_cast<bool>(bias.rows), "attention: a row-block bias needs its rows()");
    problem.rows = bias.rows;
    return bias.inputs;
  }

 private:
  std::vector<Tensor> separable(const Tensor& g, const Tensor& s) const {
    check_separable(g, s, q, key_rows(problem.spans, k));
    return g.defined() ? std::vector<Tensor>{s, g} : std::vector<Tensor>{s};
  }
};

}  // namespace

AttentionSpans AttentionSpans::self(const std::vector<int64_t>& offsets) {
  check(!offsets.empty(), "AttentionSpans::self: offsets must hold B + 1 numbers, got none");
  AttentionSpans spans;
  spans.query_offsets = offsets;
  spans.key_begin.assign(offsets.begin(), offsets.end() - 1);
  spans.key_end.assign(offsets.begin() + 1, offsets.end());
  return spans;
}

Tensor gather_pages(const Tensor& pool, const PageTable& pages) {
  std::vector<int64_t> shape = pool.sizes().vec();
  shape[0] = kPageRows;
  shape.insert(shape.begin(), pool.size(0) / kPageRows);
  return selected_pages(pool.view(shape), pages).flatten(0, 1);
}

KeyRows without_pages(const Tensor& k, const Tensor& v, const AttentionSpans& spans) {
  KeyRows rows{k, v, spans};
  if (spans.pages) {
    check_pages(spans, k.size(0));
    rows.k = k.transpose(2, 3);
    for (Tensor* t : {&rows.k, &rows.v, &rows.spans.k_scale, &rows.spans.v_scale})
      if (t->defined()) *t = selected_pages(*t, *spans.pages).transpose(1, 2).flatten(0, 1);
    rows.spans.pages = nullptr;
  }
  if (!spans.reduced) return rows;
  auto widen = [](Tensor& t, Tensor& scale) {
    t = t.to(at::kFloat);
    if (scale.defined()) t.mul_(scale.unsqueeze(2));
    scale = Tensor();
  };
  widen(rows.k, rows.spans.k_scale), widen(rows.v, rows.spans.v_scale);
  rows.spans.reduced = false;
  return rows;
}

double AttentionStats::skip_rate() const {
  int64_t all = 0, none = 0;
  for (int64_t n : tiles) all += n;
  for (int64_t n : skipped) none += n;
  return all > 0 ? static_cast<double>(none) / static_cast<double>(all) : 0;
}

CheckedAttention checked_call(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpans& spans,
                              const Bias& bias, const AttentionOptions& options) {
  check_heads(q, k, v, spans);
  check_spans(spans, q.size(0), key_rows(spans, k));
  if (spans.pages) check_pages(spans, k.size(0));
  check_options(options, q.size(0));
  auto problem = c10::make_intrusive<AttentionProblem>();
  problem->spans = spans;
  problem->options = options;
  AttentionTensors tensors{q, k, v, std::visit(UnpackBias{*problem, q, k}, bias)};
  return {problem, tensors};
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpans& spans, const Bias& bias,
                 const AttentionOptions& options) {
  if (spans.pages && !is_fused(q)) {  // only the fused path looks pages up
    const KeyRows rows = without_pages(k, v, spans);
    return attention(q, rows.k, rows.v, rows.spans, bias, options);
  }
  return run_attention({checked_call(q, k, v, spans, bias, options)});
}

}  // namespace longhaul
