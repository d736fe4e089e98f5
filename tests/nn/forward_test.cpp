// The driver of layers with a model whose layers drop tokens: what is left must stay itself.
#include "nn/forward.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "base/machine.h"
#include "support.h"

namespace longhaul {
namespace {

constexpr int64_t kLayers = 3, kWidth = 4, kVocab = 20;

// x -> x w + (cosines, sines) of the token's position in each layer; layer 1 then drops the tokens at odd positions.
class Halving : public Model {
 public:
  Halving() : Model(Parameters(1, at::kDouble)) {
    info_.layers = kLayers, info_.width = info_.head_dim = kWidth, info_.heads = info_.kv_heads = 1;
    EncodingContext context;
    context.layers = kLayers, context.width = context.head_dim = kWidth, context.heads = context.kv_heads = 1;
    context.parameters = &parameters_;
    encoding_ = make_encoding("rope", context);
    embedding_ = parameters_.add("embedding", {kVocab, kWidth}, Init::normal(1));
    for (int64_t i = 0; i < kLayers; ++i)
      weights_.push_back(parameters_.add("weight" + std::to_string(i), {kWidth}, Init::normal(1)));
  }

  Stream embed(const Tensor& tokens, const Plan& plan) const override {
    return {at::embedding(embedding_, tokens), plan.seq, {}};
  }
  void layer(int64_t i, Stream& stream, const Pass& pass) const override {
    EXPECT_EQ(pass.plan.seq.offsets, stream.seq.offsets);
    EXPECT_TRUE(pass.plan.seq.positions.equal(stream.seq.positions));
    EXPECT_EQ(pass.plan.consecutive, stream.seq.consecutive());
    stream.x =
        stream.x * weights_[static_cast<size_t>(i)] + at::cat({pass.plan.rotation.cos, pass.plan.rotation.sin}, 1);
    if (i == 1) drop_odd_positions(stream);
  }
  Head head() const override { return {}; }
  const Encoding& encoding() const override { return *encoding_; }
  Json config() const override { return {}; }

  // What is to come out for a token, from the definition.
  std::vector<double> expected(int64_t token, double position) const {
    std::vector<double> row;
    for (int64_t c = 0; c < kWidth; ++c) {
      const double angle = c % 2 == 0 ? position : position / 100;  // 10000^(-2k/4)
      double x = embedding_[token][c].item<double>();
      for (const Tensor& weight : weights_)
        x = x * weight[c].item<double>() + (c < 2 ? std::cos(angle) : std::sin(angle));
      row.push_back(x);
    }
    return row;
  }

 private:
  static void drop_odd_positions(Stream& stream) {
    Sequences seq = stream.seq;
    std::vector<int64_t> kept;
    for (int64_t b = 0; b < seq.count(); ++b) {
      for (int64_t t = stream.seq.offsets[b]; t < stream.seq.offsets[b + 1]; ++t)
        if (std::fmod(stream.seq.positions[t].item<double>(), 2) == 0) kept.push_back(t);
      seq.offsets[b + 1] = static_cast<int64_t>(kept.size());
      seq.past[b] = (seq.past[b] + 1) / 2;
      seq.total[b] = (seq.total[b] + 1) / 2;
    }
    Tensor origin = at::tensor(kept, at::TensorOptions(at::kLong));
    seq.positions = at::index_select(stream.seq.positions, 0, origin);
    stream = {at::index_select(stream.x, 0, origin), seq, origin};
  }

  std::unique_ptr<Encoding> encoding_;
  Tensor embedding_;
  std::vector<Tensor> weights_;
};

Tensor some_tokens(int64_t n) { return at::arange(n, at::kLong).square().remainder(kVocab); }

TEST(Forward, SurvivorsOfALayerKeepTheirPositionsAndAngles) {
  Halving model;
  at::NoGradGuard off;
  const Tensor tokens = some_tokens(11), x = forward(model, tokens, Sequences::whole({5, 6}), {});
  const int64_t left[] = {0, 2, 4, 5, 7, 9};  // positions 0, 2, 4 of both
  ASSERT_EQ(x.size(0), 6);
  for (int64_t row = 0; row < 6; ++row) {
    const int64_t t = left[row];
    const std::vector<double> wanted =
        model.expected(tokens[t].item<int64_t>(), static_cast<double>(t < 5 ? t : t - 5));
    for (int64_t c = 0; c < kWidth; ++c) EXPECT_NEAR(x[row][c].item<double>(), wanted[c], 1e-12) << row << ", " << c;
  }
}

TEST(Forward, ChunksMayBeShortenedToo) {
  Halving model;
  at::NoGradGuard off;
  const Tensor tokens = some_tokens(10), whole = forward(model, tokens, Sequences::equal(1, 10), {});
  for (int64_t chunk : {2, 3, 64}) {
    ForwardOptions options;
    options.chunk = chunk;
    EXPECT_TRUE(forward(model, tokens, Sequences::equal(1, 10), options).equal(whole)) << chunk;
  }
}

TEST(Forward, RecomputationRunsAShorteningLayerAgain) {
  Halving kept, recomputed;
  const Tensor tokens = some_tokens(11);
  for (Halving* model : {&kept, &recomputed}) {
    ForwardOptions options;
    options.recompute = model == &recomputed;
    Tensor x = forward(*model, tokens, Sequences::whole({5, 6}), options);
    torch::autograd::backward({x.square().sum()}, {});
  }
  for (const Parameter& parameter : kept.parameters().all()) {
    const Tensor wanted = parameter.tensor.grad(), found = recomputed.parameters().at(parameter.name).grad();
    EXPECT_GT(wanted.abs().max().item<double>(), 0) << parameter.name;
    EXPECT_TRUE(found.defined() && found.equal(wanted)) << parameter.name;
  }
}

TEST(Parameters, AreRefusedBeforeMemoryIsTakenThatIsNotThere) {
  Parameters parameters;
  const std::string message = error_of([&] {
    parameters.add("wide", {int64_t{1} << 32, int64_t{1} << 32}, Init::zeros());
  });
  EXPECT_TRUE(contains(message, "parameter 'wide': the parameters up to it take 65536.0 PiB, this machine has "))
      << message;
}

// Four fifths of the machine's memory in numbers of four bytes, once and again: packed in one byte each, or never read, they fit.
TEST(Parameters, AreCountedAsTheyWillBeHeld) {
  const std::vector<int64_t> shape = {physical_memory() / 5 / 1024, 1024};
  for (double held : {0.0, 1.0}) {
    Parameters parameters = Parameters::blank(at::kFloat, held);
    for (const char* name : {"a", "b"}) parameters.add(name, shape, Init::zeros());
  }
  Parameters plain = Parameters::blank(at::kFloat, 4);
  plain.add("a", shape, Init::zeros());
  EXPECT_TRUE(
      contains(error_of([&] { plain.add("b", shape, Init::zeros()); }), "parameter 'b': the parameters up to it"));
}

// Keys that the queries of a text look at, counted one by one.
TEST(ModelInfo, WindowsLimitThePairsThatAreCounted) {
  ModelInfo info;
  info.layers = 3, info.windows = {0, 3, 100}, info.heads = 2, info.head_dim = 5;
  for (int64_t tokens : {1, 2, 3, 4, 7, 150}) {
    double pairs = 0, last = 0;
    for (int64_t window : {int64_t{1} << 40, int64_t{3}, int64_t{100}}) {
      for (int64_t i = 0; i < tokens; ++i) pairs += static_cast<double>(std::min(i + 1, window));
      last += static_cast<double>(std::min(tokens, window));
    }
    EXPECT_EQ(info.pairs(tokens), pairs) << tokens;
    EXPECT_EQ(info.keys_of_last(tokens), last) << tokens;
    EXPECT_EQ(info.forward_flops(tokens, 0), 4 * 2 * 5 * pairs) << tokens;  // no width, no matrices
  }
  info.windows.clear();
  EXPECT_EQ(info.pairs(4), 3 * 10);
}

}  // namespace
}  // namespace longhaul
