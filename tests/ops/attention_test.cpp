// Attention against its definition: the reference itself against central differences, the composition of ATen ops in double,
// and what the op refuses. The fused CPU path is in attention_cpu_test.cpp.
#include "ops/attention/attention.h"

#include <ATen/ops/ones.h>

#include "base/error.h"
#include "ops/attention_outcome.h"

namespace longhaul {
namespace {

using testing::BiasForm;
using testing::Case;
using testing::Shape;

// Small problems that together hold every form of bias and every option.
std::vector<Shape> small_shapes() {
  std::vector<Shape> shapes;
  for (BiasForm form : {BiasForm::none, BiasForm::distance, BiasForm::separable, BiasForm::kernel, BiasForm::dense}) {
    for (int variant = 0; variant < 4; ++variant) {
      if (variant == 3 && form == BiasForm::distance) continue;  // causal only
      Shape shape;
      shape.form = form, shape.heads = 4, shape.head_dim = 5, shape.table_length = 4, shape.queries = {3, 1, 6};
      shape.kv_heads = variant == 0 ? 4 : variant == 1 ? 2 : 1;
      shape.weights = variant != 1;
      shape.seed = 10 + variant;
      if (variant == 1) shape.past = {4, 0, 2}, shape.window = 3, shape.slope = -0.7;
      if (variant == 2) shape.soft_cap = 1.5, shape.row_scale = true, shape.past = {0, 5, -2};
      if (variant == 3) shape.causal = false, shape.slope = -0.7;
      shapes.push_back(shape);
    }
  }
  return shapes;
}

double loss(reference::Attention<double> a, const std::vector<double>& dout) {
  a.forward();
  double sum = 0;
  for (size_t n = 0; n < dout.size(); ++n) sum += dout[n] * a.out[n];
  return sum;
}

void expect_central_differences(const Case& c, std::vector<double> reference::Attention<double>::*input,
                                const std::vector<double>& gradient) {
  reference::Attention<double> moved = c.ref;
  constexpr double kStep = 1e-5;
  for (size_t n = 0; n < gradient.size(); ++n) {
    const double before = (moved.*input)[n];
    (moved.*input)[n] = before + kStep;
    const double above = loss(moved, c.dout);
    (moved.*input)[n] = before - kStep;
    const double below = loss(moved, c.dout);
    (moved.*input)[n] = before;
    EXPECT_NEAR(gradient[n], (above - below) / (2 * kStep), 1e-8) << "entry " << n;
  }
}

TEST(AttentionReference, GradientsAreCentralDifferences) {
  for (const Shape& shape : small_shapes()) {
    SCOPED_TRACE(::testing::Message() << "bias " << static_cast<int>(shape.form) << " seed " << shape.seed);
    Case c(shape);
    c.ref.forward();
    c.ref.backward(c.dout);
    using R = reference::Attention<double>;
    expect_central_differences(c, &R::q, c.ref.dq);
    expect_central_differences(c, &R::k, c.ref.dk);
    expect_central_differences(c, &R::v, c.ref.dv);
    expect_central_differences(c, &R::table, c.ref.dtable);
    expect_central_differences(c, &R::g, c.ref.dg);
    expect_central_differences(c, &R::s, c.ref.ds);
    expect_central_differences(c, &R::dense, c.ref.ddense);
  }
}

// specs/cable.md 1.6: rows of cable6's bias for four tokens, read off the softmax of zero queries.
TEST(AttentionReference, GoldenCableRows) {
  reference::Attention<double> a;
  a.head_dim = 4;
  a.spans = AttentionSpans::self({0, 4});
  a.form = BiasForm::separable;
  a.q.assign(16, 0), a.k.assign(16, 0), a.v.assign(16, 0);
  for (int j = 0; j < 4; ++j) a.v[j * 4 + j] = 1;  // the output is the row of weights
  a.s = {-.5, -.5, -2.5, -2.8};
  a.g = {.693147, 1.313262, .474077, .798139};
  a.forward();
  const double rows[4][4] = {{0}, {0, 0}, {-.948154, -.948154, 0}, {-1.835719, -1.835719, -.239442, 0}};
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j <= i; ++j) EXPECT_NEAR(std::log(a.out[i * 4 + j] / a.out[i * 4 + i]), rows[i][j], 2e-6);
  }
}

void expect_close(const Tensor& found, const std::vector<double>& wanted, double tolerance, const char* what) {
  if (wanted.empty()) return;
  const std::vector<double> values = testing::values_of(found);
  ASSERT_EQ(values.size(), wanted.size()) << what;
  double largest = 0, error = 0;
  for (size_t n = 0; n < wanted.size(); ++n) {
    largest = std::max(largest, std::abs(wanted[n]));
    error = std::max(error, std::isfinite(values[n]) ? std::abs(values[n] - wanted[n]) : INFINITY);
  }
  EXPECT_LE(error, tolerance * std::max(largest, 1e-3)) << what;
}

TEST(AttentionComposition, IsTheDefinitionInDouble) {
  std::vector<Shape> shapes = small_shapes();
  Shape several_blocks;  // more than one block of rows
  several_blocks.queries = {1500}, several_blocks.heads = 4, several_blocks.kv_heads = 2, several_blocks.head_dim = 2;
  several_blocks.form = BiasForm::separable;
  shapes.push_back(several_blocks);
  for (const Shape& shape : shapes) {
    SCOPED_TRACE(::testing::Message() << "bias " << static_cast<int>(shape.form) << " seed " << shape.seed);
    Case c(shape);
    c.ref.forward();
    c.ref.backward(c.dout);
    const testing::Outcome found = testing::run(c, at::kDouble, testing::options_of(c));
    expect_close(found.out, c.ref.out, 1e-13, "out");
    expect_close(found.dq, c.ref.dq, 1e-12, "dq");
    expect_close(found.dk, c.ref.dk, 1e-12, "dk");
    expect_close(found.dv, c.ref.dv, 1e-12, "dv");
    expect_close(found.dtable, c.ref.dtable, 1e-12, "dtable");
    expect_close(found.dg, c.ref.dg, 1e-12, "dg");
    expect_close(found.ds, c.ref.ds, 1e-11, "ds");
    expect_close(found.ddense, c.ref.ddense, 1e-12, "ddense");
  }
}

TEST(Attention, RefusesWhatDoesNotFit) {
  const Tensor q = at::zeros({5, 4, 8}), k = at::zeros({6, 2, 8}), v = at::zeros({6, 2, 8});
  AttentionSpans spans;
  spans.query_offsets = {0, 5}, spans.key_begin = {0}, spans.key_end = {6};
  const AttentionOptions options;
  EXPECT_EQ(attention(q, k, v, spans, {}, options).sizes(), q.sizes());
  EXPECT_THROW(attention(q, k.slice(2, 0, 4), v, spans, {}, options), Error);
  EXPECT_THROW(attention(q, k.to(at::kDouble), v, spans, {}, options), Error);
  EXPECT_THROW(attention(q.slice(1, 0, 3), k, v, spans, {}, options), Error);
  EXPECT_THROW(attention(at::zeros({5, 4, 300}), at::zeros({6, 2, 300}), at::zeros({6, 2, 300}), spans, {}, options),
               Error);
  EXPECT_THROW(attention(q, k.transpose(0, 2).contiguous().transpose(0, 2), v, spans, {}, options), Error);
  EXPECT_THROW(attention(q, k, v, AttentionSpans::self({0, 4}), {}, options), Error);
  spans.key_end = {7};
  EXPECT_THROW(attention(q, k, v, spans, {}, options), Error);
  spans.key_end = {6};
  EXPECT_THROW(attention(q, k, v, spans, DistanceBias{at::zeros({3, 4})}, options), Error);
  EXPECT_THROW(attention(q, k, v, spans, SeparableBias{{}, at::zeros({6, 4})}, options), Error);  // s must be double
  EXPECT_THROW(attention(q, k, v, spans, SeparableBias{at::ones({6, 4}), at::zeros({6, 4}, at::kDouble)}, options),
               Error);
  EXPECT_THROW(attention(q, k, v, spans, RowBlockBias{}, options), Error);
  const RowBlockBias wrong{{}, [](const auto&, int64_t, int64_t, int64_t, int64_t) { return at::zeros({4, 1, 1}); }};
  EXPECT_THROW(attention(q, k, v, spans, wrong, options), Error);
  AttentionOptions both_ways;
  both_ways.causal = false;
  EXPECT_THROW(attention(q, k, v, spans, DistanceBias{at::zeros({4, 4})}, both_ways), Error);
  both_ways.window = 3;
  EXPECT_THROW(attention(q, k, v, spans, {}, both_ways), Error);
}

}  // namespace
}  // namespace longhaul
