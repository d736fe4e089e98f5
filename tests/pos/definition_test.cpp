// Every encoding's formula against its paper, in double, at a few positions: what it hands to attention, or, for those that read
// the logits, what attention then weighs.
#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "../ops/comparison.h"
#include "ops/attention/attention.h"
#include "ops/cope/cope_ref.h"
#include "ops/dape/dape_ref.h"
#include "ops/fire/fire_ref.h"
#include "pos/encoding.h"

namespace longhaul {
namespace {

using testing::randn;
using Row = std::vector<double>;
constexpr int64_t kHeads = 2, kDim = 8, kWidth = 16;

// One layer of an encoding over one sequence of T tokens; queries, keys and hidden states are drawn.
struct Made {
  at::NoGradGuard off;
  Parameters parameters{1, at::kDouble};
  std::unique_ptr<Encoding> encoding;
  Plan plan;
  AttentionSpans spans;
  AttentionCall call;

  explicit Made(const std::string& spec, int64_t tokens) {
    EncodingContext context;
    context.layers = 1, context.width = kWidth, context.heads = context.kv_heads = kHeads, context.head_dim = kDim;
    context.trained_length = 64;
    context.attention_prefix = [](int64_t) { return std::string("a."); };
    context.parameters = &parameters;
    context.init_deviation = 0.3;
    encoding = make_encoding(spec, context);
    plan = encoding->prepare(Sequences::equal(1, tokens), {});
    spans = AttentionSpans::self(plan.seq.offsets);
    call.x = randn({tokens, kWidth}, at::kDouble, 1);
    call.q = randn({tokens, kHeads, kDim}, at::kDouble, 2);
    call.k = randn({tokens, kHeads, kDim}, at::kDouble, 3);
    call.key_positions = [this] { return plan.seq.positions; };
    call.plan = &plan, call.spans = &spans;
    call.options.scale = encoding->qk_scale(kDim);
  }
  void set(const std::string& name, const Row& values) {
    Tensor to = parameters.at("a." + name);
    to.copy_(at::tensor(values, at::TensorOptions(at::kDouble)).view(to.sizes()));
  }
  Row values(const std::string& name) const {
    const Tensor from = parameters.at("a." + name).contiguous();
    return {from.const_data_ptr<double>(), from.const_data_ptr<double>() + from.numel()};
  }
  double product(int64_t h, int64_t i, int64_t j) const { return call.q[i][h].dot(call.k[j][h]).item<double>(); }
  // Attention's weights, [H, T, T] by row, column: values that are unit vectors, a block of columns at a time.
  void expect_weights(const std::function<Row(int64_t h, int64_t i)>& logits) {
    const int64_t tokens = call.q.size(0);
    ASSERT_LE(tokens, kDim);
    call.v = at::eye(tokens, kDim, at::kDouble).unsqueeze(1).expand({tokens, kHeads, kDim}).contiguous();
    const Tensor out = encoding->attend(0, call);
    for (int64_t h = 0; h < kHeads; ++h) {
      for (int64_t i = 0; i < tokens; ++i) {
        const Row row = logits(h, i);
        double all = 0;
        for (double logit : row) all += std::exp(logit);
        for (int64_t j = 0; j <= i; ++j)
          EXPECT_NEAR(out[i][h][j].item<double>(), std::exp(row[static_cast<size_t>(j)]) / all, 1e-12)
              << h << ", " << i << ", " << j;
      }
    }
  }
};

Row distance_table(Made& made, int64_t head) {
  const Tensor table = std::get<DistanceBias>(made.encoding->bias(0, made.call)).table[head].contiguous();
  return {table.const_data_ptr<double>(), table.const_data_ptr<double>() + table.numel()};
}

TEST(Definition, T5sBuckets) {
  Made made("t5", 300);
  Tensor rows = made.parameters.at("transformer.t5.weight");
  for (int64_t bucket = 0; bucket < 32; ++bucket) rows[bucket].fill_(static_cast<double>(bucket));
  const Row table = distance_table(made, 1);
  ASSERT_EQ(table.size(), 129u);  // what lies beyond weighs as 128 does
  for (size_t d = 0; d < table.size(); ++d) {
    const double far = 16 + std::floor(std::log(static_cast<double>(d) / 16) / std::log(128. / 16) * 16);
    EXPECT_EQ(table[d], d < 16 ? static_cast<double>(d) : std::min(far, 31.)) << d;
  }
}

TEST(Definition, Kerple) {
  Made log("kerple", 40), power("kerple:kind=power", 40);
  for (Made* made : {&log, &power}) made->set("bias_p", {0.5, 3}), made->set("bias_a", {0.25, 0.001});
  const Row of_log[] = {distance_table(log, 0), distance_table(log, 1)};
  const Row of_power[] = {distance_table(power, 0), distance_table(power, 1)};
  for (size_t n = 0; n < 40; ++n) {
    const auto d = static_cast<double>(n);
    EXPECT_NEAR(of_log[0][n], -0.5 * std::log(1 + 0.25 * d), 1e-12);
    EXPECT_NEAR(of_log[1][n], -3 * std::log(1 + 0.01 * d), 1e-12);  // a is 0.01 at least
    EXPECT_NEAR(of_power[0][n], -0.25 * std::sqrt(d), 1e-12);
    EXPECT_NEAR(of_power[1][n], -0.01 * d * d, 1e-12);  // p is 2 at most
  }
}

TEST(Definition, Alibi2) {
  Made made("alibi2", 6);
  const Row weight = made.values("alibi_scale.weight");
  made.set("alibi_scale.bias", {0.5, -0.25});
  const auto bias = std::get<SeparableBias>(made.encoding->bias(0, made.call));
  for (int64_t i = 0; i < 6; ++i) {
    double h = -0.25;
    for (int64_t c = 0; c < kWidth; ++c)
      h += weight[static_cast<size_t>(kWidth + c)] * made.call.x[i][c].item<double>();
    for (int64_t j = 0; j <= i; ++j)
      EXPECT_NEAR((bias.g[i][1] * (bias.s[i][1] - bias.s[j][1])).item<double>(),
                  -std::log1p(std::exp(h)) * static_cast<double>(i - j), 1e-12);
  }
}

TEST(Definition, Sinusoidal) {
  struct Case {
    const char* spec;
    double scale, embeddings;
  };
  for (const Case& c : {Case{"sinusoidal", 1, 4}, Case{"sinusoidal:variant=upstream", 0.1, 1}}) {
    Made made(c.spec, 5);
    const Tensor added = made.encoding->embed(made.plan);
    EXPECT_EQ(made.encoding->embedding_scale(), c.embeddings);  // sqrt(16)
    for (int64_t t = 0; t < 5; ++t) {
      for (int64_t n = 0; n < kWidth; ++n) {
        const double angle = static_cast<double>(t) / std::pow(10000, static_cast<double>(n / 2 * 2) / kWidth);
        EXPECT_NEAR(added[t][n].item<double>(), c.scale * (n % 2 ? std::cos(angle) : std::sin(angle)), 1e-12);
      }
    }
  }
}

TEST(Definition, FireFromItsAuthorsConstants) {
  Made made("fire", 20);
  const ref::FireNetwork<double> network{0.1,
                                         512,
                                         made.values("mlp_fire.0.weight"),
                                         made.values("mlp_fire.0.bias"),
                                         made.values("mlp_fire.2.weight"),
                                         made.values("mlp_fire.2.bias")};
  EXPECT_EQ(network.bias0.size(), 32u);
  const auto bias = std::get<RowBlockBias>(made.encoding->bias(0, made.call));
  const Tensor rows = bias.rows(bias.inputs, 0, 10, 20, 20);
  for (int64_t i = 10; i < 20; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      const Row wanted = ref::fire(network, static_cast<double>(i - j), static_cast<double>(i));
      for (int64_t h = 0; h < kHeads; ++h)
        EXPECT_NEAR(rows[h][i - 10][j].item<double>(), wanted[static_cast<size_t>(h)], 1e-12);
    }
  }
}

// zeta_k^((i - j) / base) for each pair of dimensions; the rotation has happened before.
TEST(Definition, XposDecay) {
  Made made("xpos:base=4", kDim);
  made.expect_weights([&](int64_t h, int64_t i) {
    Row row;
    for (int64_t j = 0; j <= i; ++j) {
      double logit = 0;
      for (int64_t d = 0; d < kDim; ++d) {
        const double zeta = (static_cast<double>(d / 2 * 2) + 0.4 * kDim) / (1.4 * kDim);
        logit += (made.call.q[i][h][d] * made.call.k[j][h][d]).item<double>() *
                 std::pow(zeta, static_cast<double>(i - j) / 4);
      }
      row.push_back(logit / std::sqrt(static_cast<double>(kDim)));
    }
    return row;
  });
}

TEST(Definition, CopeCountsTheGatesOfScaledLogitsAndReadsItsTableWithTheQuery) {
  Made made("cope:max=3", kDim);
  made.parameters.at("a.cope_embed").copy_(randn({kDim, 3}, at::kDouble, 4));
  made.expect_weights([&](int64_t h, int64_t i) {
    Row logits, values;
    for (int64_t j = 0; j <= i; ++j) logits.push_back(made.product(h, i, j) / std::sqrt(static_cast<double>(kDim)));
    for (int64_t m = 0; m < 3; ++m)
      values.push_back(made.call.q[i][h].dot(made.parameters.at("a.cope_embed").select(1, m)).item<double>());
    return ref::cope(logits, values);
  });
}

// Logits and Kerple's biases of all heads, by [h][i][j].
struct DapeInputs {
  std::vector<std::vector<Row>> logits, bias;
};

DapeInputs dape_inputs(Made& made, int64_t tokens) {
  DapeInputs in;
  for (int64_t h = 0; h < kHeads; ++h) {
    const double p = made.values("bias_p")[static_cast<size_t>(h)], a = made.values("bias_a")[static_cast<size_t>(h)];
    in.logits.emplace_back(), in.bias.emplace_back();
    for (int64_t i = 0; i < tokens; ++i) {
      in.logits.back().emplace_back(), in.bias.back().emplace_back();
      for (int64_t j = 0; j < tokens; ++j) {
        in.logits.back().back().push_back(made.product(h, i, j) / std::sqrt(static_cast<double>(kDim)));
        in.bias.back().back().push_back(-p * std::log1p(a * static_cast<double>(std::max<int64_t>(i - j, 0))));
      }
    }
  }
  return in;
}

TEST(Definition, DapeOverKerple) {
  for (const bool standard : {true, false}) {
    Made made(standard ? "dape" : "dape:variant=upstream", kDim);
    made.set("mlp_dape.0.bias", Row(32, 0.1));
    const ref::DapeNetwork<double> network{made.values("mlp_dape.0.weight"), made.values("mlp_dape.0.bias"),
                                           made.values("mlp_dape.2.weight"), made.values("mlp_dape.2.bias")};
    const DapeInputs in = dape_inputs(made, kDim);
    made.expect_weights([&](int64_t h, int64_t i) {
      Row row;
      for (size_t j = 0; j <= static_cast<size_t>(i); ++j) {
        const auto n = static_cast<size_t>(i);
        row.push_back(ref::dape(network, {in.logits[0][n][j], in.logits[1][n][j]}, {in.bias[0][n][j], in.bias[1][n][j]},
                                standard)[static_cast<size_t>(h)]);
      }
      return row;
    });
  }
}

// rows [in][T] -> [out][T]: three neighbours, zeros outside. weight [out, in, 1, 3].
std::vector<Row> convolved(const std::vector<Row>& rows, const Row& weight, const Row& bias) {
  const size_t in = rows.size(), tokens = rows[0].size();
  std::vector<Row> out(bias.size(), Row(tokens));
  for (size_t o = 0; o < bias.size(); ++o) {
    for (size_t j = 0; j < tokens; ++j) {
      out[o][j] = bias[o];
      for (size_t c = 0; c < in; ++c)
        for (size_t tap = 0; tap < 3; ++tap)
          if (j + tap >= 1 && j + tap - 1 < tokens) out[o][j] += weight[(o * in + c) * 3 + tap] * rows[c][j + tap - 1];
    }
  }
  return out;
}

TEST(Definition, DapeWithConvolutions) {
  Made made("dape:version=2,hidden=5", kDim);
  made.set("conv_dape.0.bias", Row(5, 0.1));
  const DapeInputs in = dape_inputs(made, kDim);
  made.expect_weights([&](int64_t h, int64_t i) {
    const auto n = static_cast<size_t>(i), head = static_cast<size_t>(h);
    std::vector<Row> channels = {in.logits[0][n], in.logits[1][n], in.bias[0][n], in.bias[1][n]};
    for (Row& row : channels) std::fill(row.begin() + i + 1, row.end(), 0.0);
    std::vector<Row> hidden = convolved(channels, made.values("conv_dape.0.weight"), made.values("conv_dape.0.bias"));
    for (Row& row : hidden)
      for (double& x : row) x = x < 0 ? 0.01 * x : x;
    const Row added = convolved(hidden, made.values("conv_dape.2.weight"), made.values("conv_dape.2.bias"))[head];
    Row row;
    for (size_t j = 0; j <= n; ++j) row.push_back(in.logits[head][n][j] + in.bias[head][n][j] + added[j]);
    return row;
  });
}

// Distinct integers below max, ascending; anew at every training step, the same ones whenever a model is only run.
TEST(Definition, RandomPositions) {
  Made made("random:base=(alibi),max=100", 10);
  const Sequences seq = Sequences::equal(1, 10);
  auto drawn = [&](bool training, uint64_t seed, int64_t number) {
    const Tensor positions = made.encoding->prepare(seq, {training, seed, number}).seq.positions.contiguous();
    const Row row(positions.const_data_ptr<double>(), positions.const_data_ptr<double>() + positions.numel());
    for (size_t i = 0; i < row.size(); ++i) {
      EXPECT_EQ(row[i], std::floor(row[i]));
      EXPECT_TRUE(row[i] > (i ? row[i - 1] : -1) && row[i] < 100) << row[i];
    }
    return row;
  };
  EXPECT_EQ(drawn(true, 1, 5), drawn(true, 1, 5));
  EXPECT_NE(drawn(true, 1, 5), drawn(true, 1, 6));
  EXPECT_NE(drawn(true, 1, 5), drawn(true, 2, 5));
  EXPECT_EQ(drawn(false, 1, 5), drawn(false, 1, 6));
  const auto bias = std::get<SeparableBias>(made.encoding->bias(0, made.call));
  EXPECT_TRUE(bias.s.select(1, 0).equal(-made.plan.seq.positions));
}

}  // namespace
}  // namespace longhaul
