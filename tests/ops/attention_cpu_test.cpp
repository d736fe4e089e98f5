// The fused CPU path of attention: held against the definition in double, with plain float code as the measure.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/stack.h>

#include "ops/attention/targets.h"
#include "ops/attention_outcome.h"

#include <hwy/targets.h>

namespace longhaul {
namespace {

using testing::BiasForm;
using testing::Case;
using testing::Outcome;
using testing::Shape;

constexpr BiasForm kForms[] = {BiasForm::none, BiasForm::distance, BiasForm::separable, BiasForm::kernel,
                               BiasForm::dense};

struct Error {
  double rms = 0, most = 0, largest = 0;
};
template <class Values>
Error error_of(const Values& found, const std::vector<double>& wanted) {
  Error error;
  for (size_t n = 0; n < wanted.size(); ++n) {
    const double e = std::isfinite(found[n]) ? std::abs(found[n] - wanted[n]) : INFINITY;
    error.rms += e * e / static_cast<double>(wanted.size());
    error.most = std::max(error.most, e), error.largest = std::max(error.largest, std::abs(wanted[n]));
  }
  error.rms = std::sqrt(error.rms);
  return error;
}

// design section 5: at most twice the plain float code's error, plus 4 units in the last place of the largest entry.
void expect_as_good_as_float(const Tensor& found, const std::vector<float>& plain, const std::vector<double>& wanted,
                             const char* what, double vanishing) {
  if (wanted.empty()) return;
  ASSERT_EQ(found.numel(), static_cast<int64_t>(wanted.size())) << what;
  const Error ours = error_of(testing::values_of(found), wanted), rival = error_of(plain, wanted);
  // A gradient that vanishes by symmetry (of q and k when there is one key) holds the rounding of dout . v.
  const double slack = 4 * std::ldexp(ours.largest < 1e-12 ? vanishing : ours.largest, -23);
  EXPECT_LE(ours.rms, 2 * rival.rms + slack) << what;
  EXPECT_LE(ours.most, 2 * rival.most + slack) << what;
}

void expect_definition(const Shape& shape) {
  SCOPED_TRACE(::testing::Message() << "bias " << static_cast<int>(shape.form) << " T " << shape.queries[0] << " D "
                                    << shape.head_dim << " seed " << shape.seed);
  Case c(shape);
  auto plain = c.in_float();
  c.ref.forward(), plain.forward();
  c.ref.backward(c.dout), plain.backward(Case::to_float(c.dout));
  const Outcome found = testing::run(c, at::kFloat, testing::options_of(c));
  const double dot = std::sqrt(static_cast<double>(shape.head_dim));
  expect_as_good_as_float(found.out, plain.out, c.ref.out, "out", dot);
  expect_as_good_as_float(found.dq, plain.dq, c.ref.dq, "dq", dot);
  expect_as_good_as_float(found.dk, plain.dk, c.ref.dk, "dk", dot);
  expect_as_good_as_float(found.dv, plain.dv, c.ref.dv, "dv", dot);
  expect_as_good_as_float(found.dtable, plain.dtable, c.ref.dtable, "dtable", dot);
  expect_as_good_as_float(found.dg, plain.dg, c.ref.dg, "dg", dot);
  expect_as_good_as_float(found.ds, plain.ds, c.ref.ds, "ds", dot);
  expect_as_good_as_float(found.ddense, plain.ddense, c.ref.ddense, "ddense", dot);
}

// Every form with every head size; lengths, grouping, windows, caps, row scales, past keys and ragged batches take turns.
std::vector<Shape> covering_shapes() {
  const int64_t dims[] = {4, 6, 8, 16, 64, 80, 128, 256}, lengths[] = {1, 7, 64, 257};
  std::vector<Shape> shapes;
  int turn = 0;
  for (BiasForm form : kForms) {
    for (int64_t dim : dims) {
      Shape shape;
      shape.form = form, shape.head_dim = dim, shape.seed = 100 + turn, shape.table_length = turn % 2 ? 30 : 400;
      const int64_t length = lengths[turn % 4];
      shape.queries = {length};
      if (turn % 3 == 1) shape.queries = {length, 1, 33};
      if (turn % 5 == 2) shape.past.assign(shape.queries.size(), 70 + turn);
      shape.heads = length > 64 && dim > 64 ? 2 : 4, shape.kv_heads = turn % 3 == 0   ? 1
                                                                      : turn % 3 == 1 ? 2
                                                                                      : shape.heads;
      if (turn % 4 == 3) shape.window = 40 + turn;
      if (turn % 6 == 4) shape.soft_cap = 2;
      shape.row_scale = turn % 7 < 3, shape.weights = turn % 4 != 1;
      shape.slope = turn % 3 == 2 ? -0.4 : 0.2;
      if (turn % 5 == 3 && form != BiasForm::distance) shape.causal = false, shape.window = 0;
      shapes.push_back(shape);
      turn += 1;
    }
    turn += 1;
  }
  return shapes;
}

TEST(AttentionCpu, IsTheDefinition) {
  for (const Shape& shape : covering_shapes()) expect_definition(shape);
}

TEST(AttentionCpu, IsTheDefinitionAtAThousand) {
  for (BiasForm form : kForms) {
    Shape shape;
    shape.form = form, shape.queries = {1000}, shape.head_dim = 16, shape.kv_heads = 1, shape.seed = 7;
    shape.slope = 0.02, shape.table_length = 1000;
    expect_definition(shape);
  }
}

TEST(AttentionCpu, DifferencesOfLargeSumsAreRight) {
  Shape shape;
  shape.queries = {300}, shape.head_dim = 16, shape.origin = 1e5;
  for (BiasForm form : {BiasForm::separable, BiasForm::kernel}) {
    for (double slope : {0.1, 30.0, -2.0}) {
      shape.form = form, shape.slope = slope;
      shape.origin = -shape.origin;
      expect_definition(shape);
    }
  }
  shape.queries = {3}, shape.past = {999997}, shape.heads = shape.kv_heads = 1, shape.head_dim = 4;
  shape.slope = 0.5, shape.form = BiasForm::separable;  // at a million tokens
  expect_definition(shape);
}

void expect_same_bits(const Outcome& a, const Outcome& b) {
  for (auto member : {&Outcome::out, &Outcome::dq, &Outcome::dk, &Outcome::dv, &Outcome::dtable, &Outcome::dg,
                      &Outcome::ds, &Outcome::ddense}) {
    if (!(a.*member).defined()) continue;
    EXPECT_TRUE(at::equal(a.*member, b.*member));
  }
}

TEST(AttentionCpu, SameBitsOnAnyNumberOfThreads) {
  const int before = at::get_num_threads();
  for (BiasForm form : kForms) {
    Shape shape;
    shape.form = form, shape.queries = {300, 90}, shape.heads = 4, shape.kv_heads = 2, shape.head_dim = 16;
    const Case c(shape);
    at::set_num_threads(1);
    const Outcome alone = testing::run(c, at::kFloat, testing::options_of(c));
    for (int threads : {2, 3}) {
      at::set_num_threads(threads);
      expect_same_bits(alone, testing::run(c, at::kFloat, testing::options_of(c)));
    }
  }
  at::set_num_threads(before);
}

TEST(AttentionCpu, EveryInstructionSetOfThisMachine) {
  for (int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    for (BiasForm form : kForms) {
      Shape shape;
      shape.form = form, shape.queries = {90, 5}, shape.heads = 4, shape.kv_heads = 2, shape.head_dim = 20;
      shape.soft_cap = form == BiasForm::separable ? 3 : 0, shape.window = form == BiasForm::kernel ? 50 : 0;
      expect_definition(shape);
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(AttentionCpu, StridedInputsAndUninitialisedMemory) {
  Shape shape;
  shape.queries = {130}, shape.heads = 4, shape.kv_heads = 4, shape.head_dim = 10, shape.form = BiasForm::separable;
  const Case c(shape);
  const testing::Inputs x(c, at::kFloat);
  const AttentionOptions options = testing::options_of(c);
  const Tensor packed = at::stack({x.q.detach(), x.k.detach(), x.v.detach()}, 1);  // [T, 3, H, D]
  const auto part = [&](int64_t n) { return packed.select(1, n); };
  const Tensor s = x.s.detach().t().contiguous().t();
  const Tensor wanted = attention(x.q, x.k, x.v, c.ref.spans, x.bias(c), options);
  EXPECT_TRUE(at::equal(attention(part(0), part(1), part(2), c.ref.spans, SeparableBias{x.g, s}, options), wanted));

  const Outcome clean = testing::run(c, at::kFloat, options);
  at::globalContext().setDeterministicAlgorithms(true, false);  // at::empty now gives NaN
  expect_same_bits(clean, testing::run(c, at::kFloat, options));
  at::globalContext().setDeterministicAlgorithms(false, false);
}

TEST(AttentionCpu, ChunksAreOnePass) {
  for (BiasForm form : {BiasForm::none, BiasForm::distance, BiasForm::separable, BiasForm::kernel}) {
    Shape shape;
    shape.form = form, shape.queries = {200}, shape.head_dim = 16, shape.window = 90;
    const Case c(shape);
    const testing::Inputs x(c, at::kFloat);
    const AttentionOptions options = testing::options_of(c);
    const Tensor whole = attention(x.q, x.k, x.v, c.ref.spans, x.bias(c), options);
    std::vector<Tensor> parts;
    for (int64_t begin : {0, 60, 61}) {
      const int64_t end = begin == 0 ? 60 : begin == 60 ? 61 : 200;
      AttentionSpans spans;
      spans.query_offsets = {0, end - begin}, spans.key_begin = {0}, spans.key_end = {end};
      Bias bias = x.bias(c);
      if (x.g.defined()) {
        const Tensor g = x.g.slice(0, begin, end);
        bias = form == BiasForm::kernel ? Bias(SeparableKernel{g, x.s}) : Bias(SeparableBias{g, x.s});
      }
      parts.push_back(attention(x.q.slice(0, begin, end), x.k, x.v, spans, bias, options));
    }
    EXPECT_LE(error_of(testing::values_of(at::cat(parts)), testing::values_of(whole)).most, 2e-6);
  }
}

TEST(AttentionCpu, QueriesWithoutKeysGiveZeros) {
  Shape shape;
  shape.queries = {10}, shape.past = {-4}, shape.form = BiasForm::separable;
  const Case c(shape);
  const Outcome found = testing::run(c, at::kFloat, testing::options_of(c));
  EXPECT_EQ(found.out.slice(0, 0, 4).abs().sum().item<double>(), 0);
  EXPECT_EQ(found.dq.slice(0, 0, 4).abs().sum().item<double>(), 0);
  EXPECT_GT(found.out.slice(0, 4, 10).abs().min().item<double>(), 0);
  expect_definition(shape);
}

TEST(AttentionCpu, WhatIsSkippedWeighsLessThanEps) {
  for (double eps : {1e-7, 1e-2}) {
    for (int variant = 0; variant < 7; ++variant) {
      Shape shape;
      shape.queries = {700, 100}, shape.head_dim = 16, shape.seed = 40 + variant, shape.heads = 2, shape.kv_heads = 1;
      shape.form = variant == 1 ? BiasForm::distance : variant == 2 ? BiasForm::kernel : BiasForm::separable;
      shape.slope = variant == 2 ? 200 : variant == 3 ? -1 : 0.5, shape.table_length = 5, shape.spread = 0.5;
      if (variant == 4) shape.window = 500;
      if (variant == 5) shape.soft_cap = 1, shape.spread = 3;
      if (variant == 6) shape.queries = {5}, shape.past = {3000};  // decoding
      SCOPED_TRACE(::testing::Message() << "eps " << eps << " variant " << variant);
      Case c(shape);
      if (variant == 1) {  // a table that falls
        c.shape.table_length = 700, c.ref.table.resize(2 * 700);
        for (int n = 0; n < 1400; ++n) c.ref.table[n] = -0.1 * (n % 700);
      }
      if (variant == 3) {  // s goes to and fro; a negative g would make far keys the heavy ones
        for (double& g : c.ref.g) g = 0.3 + std::abs(g);
      }
      if (variant == 2) {  // -ln(1 + u^2) alone falls too slowly
        for (double& g : c.ref.g) g *= 4;
      }
      AttentionOptions options = testing::options_of(c);
      AttentionStats on, off;
      options.skip_eps = 0, options.stats = &off;
      const Outcome all = testing::run(c, at::kFloat, options);
      options.skip_eps = eps, options.stats = &on;
      const Outcome some = testing::run(c, at::kFloat, options);
      EXPECT_EQ(off.skip_rate(), 0);
      EXPECT_EQ(on.tiles, off.tiles);
      EXPECT_GT(on.skip_rate(), 0.2);
      const double largest = all.out.abs().max().item<double>();
      const double v = *std::max_element(c.ref.v.begin(), c.ref.v.end());
      EXPECT_LE((all.out - some.out).abs().max().item<double>(), 2 * eps * v + 1e-6 * largest);
      for (auto member : {&Outcome::dq, &Outcome::dk, &Outcome::dv, &Outcome::dg, &Outcome::ds, &Outcome::dtable}) {
        if (!(all.*member).defined()) continue;
        const double scale = (all.*member).abs().max().item<double>();
        EXPECT_LE((all.*member - some.*member).abs().max().item<double>(), (20 * eps + 2e-6) * scale);
      }
    }
  }
}

TEST(AttentionCpu, StatsCountTheTilesOfTheMask) {
  Shape shape;
  shape.queries = {130};
  const Case c(shape);
  AttentionOptions options = testing::options_of(c);
  AttentionStats stats;
  options.stats = &stats;
  testing::run(c, at::kFloat, options);
  EXPECT_EQ(stats.tiles, (std::vector<int64_t>{6, 6}));  // 3 x 3 tiles of 64, the lower triangle
  EXPECT_EQ(stats.skipped, (std::vector<int64_t>{0, 0}));
  options.window = 10;
  stats = {};
  testing::run(c, at::kFloat, options);
  EXPECT_EQ(stats.tiles, (std::vector<int64_t>{5, 5}));
}

TEST(AttentionCpu, Bfloat16StorageWithFloatSums) {
  for (BiasForm form : kForms) {
    Shape shape;
    shape.form = form, shape.queries = {150, 40}, shape.heads = 4, shape.kv_heads = 2, shape.head_dim = 24;
    Case c(shape);
    for (auto* x : {&c.ref.q, &c.ref.k, &c.ref.v, &c.dout}) {  // what bfloat16 represents
      const Tensor t = testing::tensor_of(*x, {static_cast<int64_t>(x->size())}, at::kBFloat16);
      *x = testing::values_of(t);
    }
    c.ref.forward(), c.ref.backward(c.dout);
    const Outcome found = testing::run(c, at::kBFloat16, testing::options_of(c));
    const auto expect = [](const Tensor& x, const std::vector<double>& wanted, double tolerance) {
      if (wanted.empty()) return;
      const Error error = error_of(testing::values_of(x), wanted);
      EXPECT_LE(error.most, tolerance * error.largest);
    };
    EXPECT_EQ(found.out.scalar_type(), at::kBFloat16);
    expect(found.out, c.ref.out, 0x1p-8);  // one rounding: half a unit of 8 bits
    expect(found.dv, c.ref.dv, 0x1p-8);
    for (const auto& [x, wanted] : {std::pair{found.dq, c.ref.dq},
                                    {found.dk, c.ref.dk},
                                    {found.dg, c.ref.dg},
                                    {found.ds, c.ref.ds},
                                    {found.dtable, c.ref.dtable},
                                    {found.ddense, c.ref.ddense}}) {
      expect(x, wanted, 0x1p-6);  // through the rounded output
    }
  }
}

// Single queries, whose heads read shared keys together: more of them than a tile has rows, a soft cap, rows that are scaled, beside
// sequences of several queries; and a window, under which each head goes alone.
TEST(AttentionCpu, DecodingWithSharedKeysMatchesTheDefinition) {
  for (const auto& [heads, kv_heads] : {std::pair{6, 2}, std::pair{70, 1}, std::pair{4, 4}}) {
    for (const int64_t window : {0, 20}) {
      Shape shape;
      shape.queries = {1, 1, 3, 1}, shape.past = {0, 130, 5, 63}, shape.heads = heads, shape.kv_heads = kv_heads;
      shape.head_dim = 24, shape.window = window;
      expect_definition(shape);
      if (window > 0) continue;
      shape.soft_cap = 5, shape.row_scale = true;
      expect_definition(shape);
    }
  }
}

}  // namespace
}  // namespace longhaul
