// Attention in ranges of distances against one softmax over the pairs of all ranges, in double and plain loops.
#include "ops/attention/ranged_attention.h"

#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include "support.h"

namespace longhaul {
namespace {

Tensor values(int64_t rows, int64_t heads, int64_t dim, double phase) {
  const Tensor x = at::arange(rows * heads * dim, at::kDouble).view({rows, heads, dim});
  return at::sin(x * 0.71 + phase) + at::cos(x.square() * 0.013 + phase) * 0.5;
}

struct Limits {
  int64_t nearest, window, first_keys;
};

struct Case {
  AttentionSpans spans;
  int64_t heads = 4, groups = 2, dim = 8;
  std::vector<Limits> limits;
  AttentionOptions options;
  std::vector<Tensor> q, k;  // of each range, double
  Tensor v;

  Case(std::vector<int64_t> queries, std::vector<int64_t> keys, std::vector<Limits> all) : limits(std::move(all)) {
    spans.query_offsets = {0};
    int64_t begin = 0;
    for (size_t b = 0; b < queries.size(); ++b) {
      spans.query_offsets.push_back(spans.query_offsets.back() + queries[b]);
      spans.key_begin.push_back(begin);
      spans.key_end.push_back(begin += keys[b]);
    }
    for (size_t n = 0; n < limits.size(); ++n) {
      q.push_back(values(spans.query_offsets.back(), heads, dim, 0.3 + static_cast<double>(n)));
      k.push_back(values(begin, groups, dim, 0.9 + 2 * static_cast<double>(n)));
    }
    v = values(begin, groups, dim, 2.2);
    options.scale = 0.4;
  }

  std::vector<AttentionRange> ranges(at::ScalarType dtype, bool trained = false) const {
    std::vector<AttentionRange> all;
    for (size_t n = 0; n < limits.size(); ++n)
      all.push_back({q[n].to(dtype, false, true).set_requires_grad(trained),
                     k[n].to(dtype, false, true).set_requires_grad(trained), limits[n].nearest, limits[n].window,
                     limits[n].first_keys});
    return all;
  }

  // The definition, differentiable: one matrix of logits for each sequence and head, every pair by the range that it is in.
  Tensor defined(const std::vector<AttentionRange>& ranges, const Tensor& values) const {
    std::vector<Tensor> sequences;
    for (size_t b = 0; b < spans.key_begin.size(); ++b) {
      std::vector<Tensor> outputs;
      for (int64_t h = 0; h < heads; ++h) outputs.push_back(head(ranges, values, b, h));
      sequences.push_back(at::stack(outputs, 1));
    }
    return at::cat(sequences);
  }

 private:
  Tensor head(const std::vector<AttentionRange>& ranges, const Tensor& values, size_t b, int64_t h) const {
    const int64_t first = spans.query_offsets[b], last = spans.query_offsets[b + 1], g = h / (heads / groups);
    const int64_t begin = spans.key_begin[b], end = spans.key_end[b], keys = end - begin;
    const Tensor j = at::arange(keys, at::kLong).unsqueeze(0);
    const Tensor d = at::arange(keys - (last - first), keys, at::kLong).unsqueeze(1) - j;
    Tensor logits = at::zeros({last - first, keys}, values.options()), seen = d < 0;
    seen.zero_();
    for (const AttentionRange& range : ranges) {
      Tensor in = (d >= range.nearest).logical_and(d >= 0);
      if (range.window > 0) in = in.logical_and(d < range.window);
      if (options.window > 0) in = in.logical_and(d < options.window);
      if (range.first_keys > 0) in = in.logical_and(j < range.first_keys);
      const Tensor q = range.q.slice(0, first, last).select(1, h), k = range.k.slice(0, begin, end).select(1, g);
      logits = at::where(in, q.matmul(k.t()) * options.scale, logits);
      seen = seen.logical_or(in);
    }
    const Tensor weights = at::exp(logits) * seen;  // logits are small here
    const Tensor sum = weights.sum(1, true);
    return (weights / at::where(sum > 0, sum, 1)).matmul(values.slice(0, begin, end).select(1, g));
  }
};

double difference(const Tensor& a, const Tensor& b) { return (a.to(at::kDouble) - b).abs().max().item<double>(); }

std::vector<Case> cases() {
  std::vector<Case> all;
  const std::vector<Limits> self_extend = {{0, 9, 0}, {9, 0, 0}}, sink = {{0, 20, 0}, {20, 0, 4}};
  all.emplace_back(std::vector<int64_t>{50}, std::vector<int64_t>{50}, self_extend);
  all.emplace_back(std::vector<int64_t>{150}, std::vector<int64_t>{150}, sink);
  all.emplace_back(std::vector<int64_t>{3, 70, 1}, std::vector<int64_t>{3, 140, 90}, self_extend);
  all.emplace_back(std::vector<int64_t>{5, 1}, std::vector<int64_t>{130, 200}, sink);
  all.emplace_back(std::vector<int64_t>{70}, std::vector<int64_t>{70},
                   std::vector<Limits>{{66, 0, 3}});  // some see none
  all.emplace_back(std::vector<int64_t>{90}, std::vector<int64_t>{90},
                   std::vector<Limits>{{0, 7, 0}, {7, 40, 0}, {40, 0, 70}});
  all.emplace_back(std::vector<int64_t>{90}, std::vector<int64_t>{90}, self_extend);
  all.back().options.window = 33;
  return all;
}

TEST(RangedAttention, IsOneSoftmaxOverAllRanges) {
  const at::NoGradGuard off;
  for (const Case& c : cases()) {
    const auto exact = c.ranges(at::kDouble);
    const Tensor want = c.defined(exact, c.v);
    EXPECT_LT(difference(ranged_attention(exact, c.v, c.spans, c.options), want), 1e-12);
    const Tensor fused = ranged_attention(c.ranges(at::kFloat), c.v.to(at::kFloat), c.spans, c.options);
    EXPECT_LT(difference(fused, want), 4e-6);
  }
}

TEST(RangedAttention, GradientsAreThoseOfTheDefinition) {
  for (const Case& c : cases()) {
    const auto gradients = [&](at::ScalarType dtype, bool by_definition) {
      const auto ranges = c.ranges(dtype, true);
      const Tensor v = c.v.to(dtype, false, true).set_requires_grad(true);
      const Tensor out = by_definition ? c.defined(ranges, v) : ranged_attention(ranges, v, c.spans, c.options);
      torch::autograd::backward({(out * values(out.size(0), out.size(1), out.size(2), 4).to(dtype)).sum()}, {});
      std::vector<Tensor> all = {v.grad()};
      for (const AttentionRange& range : ranges) {
        all.push_back(range.q.grad());
        all.push_back(range.k.grad());
      }
      return all;
    };
    const auto want = gradients(at::kDouble, true), exact = gradients(at::kDouble, false),
               fused = gradients(at::kFloat, false);
    for (size_t n = 0; n < want.size(); ++n) {
      EXPECT_LT(difference(exact[n], want[n]), 1e-11) << n;
      EXPECT_LT(difference(fused[n], want[n]), 2e-5) << n;
    }
  }
}

TEST(RangedAttention, KeysInPagesAreTheSame) {
  const at::NoGradGuard off;
  const Case c({2, 1}, {100, 70}, {{0, 20, 0}, {20, 0, 4}});
  AttentionSpans paged;
  paged.query_offsets = c.spans.query_offsets;
  paged.pages = std::make_shared<PageTable>(PageTable{{3, 0}, {4, 1}});
  paged.key_begin = {0, 128}, paged.key_end = {100, 198};
  const auto pool = [&](const Tensor& rows) {
    Tensor all = at::zeros({5 * kPageRows, rows.size(1), rows.size(2)}, rows.options());
    for (size_t b = 0; b < 2; ++b)
      for (int64_t j = 0; j < c.spans.key_end[b] - c.spans.key_begin[b]; ++j)
        all[(*paged.pages)[b][static_cast<size_t>(j / kPageRows)] * kPageRows + j % kPageRows].copy_(
            rows[c.spans.key_begin[b] + j]);
    return all.unflatten(0, {-1, kPageRows}).transpose(1, 2).contiguous();
  };
  for (at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    auto ranges = c.ranges(dtype);
    const Tensor want = ranged_attention(ranges, c.v.to(dtype), c.spans, c.options);
    for (AttentionRange& range : ranges) range.k = pool(range.k).transpose(2, 3).contiguous();
    EXPECT_TRUE(at::equal(ranged_attention(ranges, pool(c.v.to(dtype)), paged, c.options), want));
  }
}

TEST(RangedAttention, LimitsAreChecked) {
  const Case c({4}, {4}, {{-1, 0, 0}});
  EXPECT_TRUE(
      contains(error_of([&] { ranged_attention(c.ranges(at::kFloat), c.v.to(at::kFloat), c.spans, c.options); }),
               "limits of a range must not be negative"));
  EXPECT_TRUE(contains(error_of([&] { ranged_attention({}, c.v, c.spans, c.options); }), "at least one"));
}

}  // namespace
}  // namespace longhaul
