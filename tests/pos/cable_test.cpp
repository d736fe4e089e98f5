// The spec's golden vectors (specs/cable.md 1.6), to its printed digits, and the slopes of ALiBi (section 2).
#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "ops/attention/attention.h"
#include "ops/running_sum/running_sum.h"
#include "pos/cable_family.h"

namespace longhaul {

namespace {

Tensor column(const std::vector<double>& values) {
  return at::tensor(values, at::TensorOptions(at::kDouble)).unsqueeze(1);
}

const Tensor kH = column({0.5, -1, 2, 0.3}), kS = column({0, 1, -0.5, 0.2});

void expect_rows(const Tensor& got, const std::vector<std::vector<double>>& want) {
  for (size_t i = 0; i < want.size(); ++i)
    for (size_t j = 0; j < want[i].size(); ++j)
      EXPECT_NEAR(got[static_cast<int64_t>(i)][static_cast<int64_t>(j)].item<double>(), want[i][j], 6e-7)
          << i << ", " << j;
}

// g_i f(s_i - s_j) as a matrix.
Tensor matrix(const Tensor& g, const Tensor& s, bool kernel) {
  Tensor u = s - s.transpose(0, 1);
  return g * (kernel ? -(1 + u * u).log() : u);
}

TEST(Cable, SpecVectorsOfTheSums) {
  Tensor s = -running_sum(at::softplus(kH), {0, 4});
  expect_rows(s, {{-.974077}, {-1.287339}, {-3.414267}, {-4.268622}});
  expect_rows(matrix(at::ones_like(s), s, false),
              {{0}, {-.313262, 0}, {-2.44019, -2.126928, 0}, {-3.294545, -2.981283, -.854355, 0}});
  expect_rows(matrix(at::ones_like(s), s, true),
              {{0}, {-.093611, 0}, {-1.939393, -1.70907, 0}, {-2.472668, -2.291327, -.548077, 0}});
}

TEST(Cable, SpecVectorsOfThePaper) {
  Tensor s = -running_sum(at::relu(kH), {0, 4}), g = at::softplus(kS);
  expect_rows(s, {{-.5}, {-.5}, {-2.5}, {-2.8}});
  expect_rows(g, {{.693147}, {1.313262}, {.474077}, {.798139}});
  expect_rows(matrix(g, s, false), {{0}, {0, 0}, {-.948154, -.948154, 0}, {-1.835719, -1.835719, -.239442, 0}});
}

// Encodings built with hand-made parameters: what `bias` hands to attention.
struct Made {
  Parameters parameters{1, at::kDouble};
  std::unique_ptr<Encoding> encoding;
  explicit Made(const std::string& spec, int64_t heads) {
    EncodingContext context;
    context.layers = 1;
    context.width = 2;
    context.heads = context.kv_heads = heads;
    context.head_dim = 4;
    context.trained_length = 8;
    context.attention_prefix = [](int64_t) { return std::string("a."); };
    context.parameters = &parameters;
    encoding = make_encoding(spec, context);
  }
};

// x = (h, s) and weights that pick them: the whole path from hidden states to the bias.
TEST(Cable, BiasOfTheEncodingIsTheSpecs) {
  Made made("cable", 1);
  at::NoGradGuard off;
  Tensor step = made.parameters.at("a.cable_layer.weight"), gain = made.parameters.at("a.cable_layer_scale.weight");
  step.copy_(at::tensor({1.0, 0.0}).view({1, 2}));
  gain.copy_(at::tensor({0.0, 1.0}).view({1, 2}));
  Plan plan = made.encoding->prepare(Sequences::equal(1, 4), {});
  AttentionSpans spans = AttentionSpans::self(plan.seq.offsets);
  AttentionCall call;
  call.x = at::cat({kH, kS}, 1);
  call.plan = &plan;
  call.spans = &spans;
  SeparableBias bias = std::get<SeparableBias>(made.encoding->bias(0, call));
  expect_rows(matrix(bias.g, bias.s, false),
              {{0}, {0, 0}, {-.948154, -.948154, 0}, {-1.835719, -1.835719, -.239442, 0}});
}

TEST(Cable, UnknownVariantNamesTheKnown) {
  try {
    Made made("cable:variant=papre", 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("paper"), std::string::npos) << error.what();
  }
}

// Head n in blocks of floor(sqrt(2)^n): 1, 1, 2, 2, 4; blocks hold the mean of the block before, the tail stays.
TEST(Cable, BlockMeansByHand) {
  Tensor s = at::tensor({1., 2., 3., 4., 5.}, at::TensorOptions(at::kDouble)).unsqueeze(1).expand({5, 5});
  Tensor got = block_means(s, {0, 5});
  std::vector<std::vector<double>> by_head = {
      {0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}, {0, 0, 1.5, 1.5, 5}, {0, 0, 1.5, 1.5, 5}, {0, 0, 0, 0, 5}};
  expect_rows(got.transpose(0, 1).contiguous(), by_head);
}

std::vector<double> slopes(const std::string& spec, int64_t heads) {
  Made made(spec, heads);
  Plan plan = made.encoding->prepare(Sequences::equal(1, 2), {});
  AttentionCall call;
  call.q = at::zeros({2, heads, 4}, at::kDouble);
  call.plan = &plan;
  call.key_positions = [&] { return plan.seq.positions; };
  Tensor g = std::get<SeparableBias>(made.encoding->bias(0, call)).g[0].contiguous();
  return {g.const_data_ptr<double>(), g.const_data_ptr<double>() + heads};
}

TEST(Alibi, SlopesOfBothRules) {
  auto near = [](const std::vector<double>& got, const std::vector<double>& want) {
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 5e-7);
  };
  near(slopes("alibi", 12),
       {.5, .25, .125, .0625, .03125, .015625, .0078125, .00390625, .707107, .353553, .176777, .088388});
  near(slopes("alibi:variant=upstream", 12),
       {.629961, .39685, .25, .15749, .099213, .0625, .039373, .024803, .015625, .009843, .006201, .003906});
  EXPECT_EQ(slopes("alibi", 8), slopes("alibi:variant=upstream", 8));
}

}  // namespace

}  // namespace longhaul
