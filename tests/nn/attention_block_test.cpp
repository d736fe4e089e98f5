// Attention under an encoding that moves with the length: what a cache gives is attention over the keys that it was given,
// all turned as the length of that moment says.
#include "nn/attention_block.h"

#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "pos/rotary_encoding.h"

namespace longhaul {
namespace {

constexpr int64_t kWidth = 12, kHeads = 4, kKvHeads = 2, kSize = 6;

// Every length has frequencies of its own.
class MovingPolicy : public RopePolicy {
 public:
  std::vector<double> frequencies(int64_t length) const override {
    const auto n = static_cast<double>(length);
    return {1 / n, 0.3 / n, 0.02 * n};
  }
  double attention_factor(int64_t) const override { return 1.1; }
  bool moves_with_length() const override { return true; }
};

Tensor values(int64_t rows, int64_t columns, double phase) {
  const Tensor x = at::arange(rows * columns, at::kDouble).view({rows, columns});
  return at::sin(x * 0.7 + phase) * 0.6 + at::cos(x.square() * 0.01 + phase) * 0.3;
}

AttentionWeights weights() {
  AttentionWeights w;
  w.norm.kind = NormKind::none;
  w.qkv = {values((kHeads + 2 * kKvHeads) * kSize, kWidth, 0.2), {}};
  w.out = {values(kWidth, kHeads * kSize, 1.1), {}};
  w.heads = kHeads, w.kv_heads = kKvHeads, w.head_dim = kSize;
  return w;
}

// x [n, heads, D], turned as the definition says for a text of `length` tokens: pairs (k, k + D/2).
Tensor turned(const Tensor& x, int64_t length) {
  const std::vector<double> frequencies = MovingPolicy().frequencies(length);
  Tensor y = x.clone();
  for (int64_t t = 0; t < x.size(0); ++t)
    for (int64_t h = 0; h < x.size(1); ++h)
      for (int64_t k = 0; k < kSize / 2; ++k) {
        const double angle = static_cast<double>(t) * frequencies[static_cast<size_t>(k)];
        const double a = x[t][h][k].item<double>(), b = x[t][h][k + kSize / 2].item<double>();
        y[t][h][k] = 1.1 * (a * std::cos(angle) - b * std::sin(angle));
        y[t][h][k + kSize / 2] = 1.1 * (a * std::sin(angle) + b * std::cos(angle));
      }
  return y;
}

// The last `rows` outputs over inputs [S, C], at the length `length`, by the definition.
Tensor defined(const Tensor& inputs, int64_t rows, int64_t length) {
  const AttentionWeights w = weights();
  const Tensor heads = at::linear(inputs, w.qkv.weight).view({inputs.size(0), kHeads + 2 * kKvHeads, kSize});
  const Tensor q = turned(heads.narrow(1, 0, kHeads), length), k = turned(heads.narrow(1, kHeads, kKvHeads), length);
  const Tensor v = heads.narrow(1, kHeads + kKvHeads, kKvHeads);
  std::vector<Tensor> out;
  for (int64_t i = inputs.size(0) - rows; i < inputs.size(0); ++i) {
    std::vector<Tensor> row;
    for (int64_t h = 0; h < kHeads; ++h) {
      const int64_t g = h / (kHeads / kKvHeads);
      const Tensor scores = k.narrow(0, 0, i + 1).select(1, g).matmul(q[i][h]) / std::sqrt(static_cast<double>(kSize));
      row.push_back(at::softmax(scores, 0).matmul(v.narrow(0, 0, i + 1).select(1, g)));
    }
    out.push_back(at::linear(at::cat(row).unsqueeze(0), w.out.weight));
  }
  return at::cat(out);
}

class MovingAttention : public testing::Test {
 protected:
  MovingAttention() : encoding_(rope(), at::kDouble) {}
  static Rope rope() {
    Rope rope;
    rope.type = "moving";
    rope.base.dim = kSize;
    rope.policy = std::make_shared<MovingPolicy>();
    return rope;
  }
  Tensor run(const Tensor& x, const Sequences& seq, LayerCache* cache) {
    Pass pass;
    pass.plan = encoding_.prepare(seq, {});
    pass.cache = cache;
    return attention_block(x, weights(), encoding_, 0, pass, ComputeType::f32);
  }
  RotaryEncoding encoding_;
  at::NoGradGuard off_;
};

double difference(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST_F(MovingAttention, DecodingEqualsFreshAttentionOverTheSameKeys) {
  const Tensor x = values(13, kWidth, 0.5);
  LayerCache rows = LayerCache::make(Sequences::chunk(0, 9, 13), kKvHeads, kSize, 0, at::TensorOptions(at::kDouble));
  LayerCache pool =
      LayerCache::pool(at::zeros({3 * kPageRows}, at::kDouble), kKvHeads, kSize, 0, at::TensorOptions(at::kDouble));
  for (int64_t past = 0; past < 13;) {
    const int64_t length = past == 0 ? 9 : 1, total = past + length;
    Sequences seq = Sequences::chunk(past, length, total);
    const Tensor input = x.narrow(0, past, length), want = defined(x.narrow(0, 0, total), length, total);
    EXPECT_LT(difference(run(input, seq, &rows), want), 1e-12) << past;
    seq.pages = std::make_shared<PageTable>(PageTable{{2}});
    EXPECT_LT(difference(run(input, seq, &pool), want), 1e-12) << past << ", in pages";
    past = total;
  }
}

TEST_F(MovingAttention, ChunksOfAPromptKnowItsWholeLength) {
  const Tensor x = values(11, kWidth, 0.9), want = defined(x, 11, 11);
  EXPECT_LT(difference(run(x, Sequences::equal(1, 11), nullptr), want), 1e-12);
  LayerCache cache = LayerCache::make(Sequences::equal(1, 11), kKvHeads, kSize, 0, at::TensorOptions(at::kDouble));
  for (int64_t past = 0; past < 11; past += 4) {
    const int64_t length = std::min<int64_t>(4, 11 - past);
    const Tensor y = run(x.narrow(0, past, length), Sequences::chunk(past, length, 11), &cache);
    EXPECT_LT(difference(y, want.narrow(0, past, length)), 1e-12) << past;
  }
}

TEST_F(MovingAttention, SequencesOfABatchMoveEachByItself) {
  const Tensor a = values(5, kWidth, 0.1), b = values(8, kWidth, 0.4);
  const Tensor both = run(at::cat({a, b}), Sequences::whole({5, 8}), nullptr);
  EXPECT_LT(difference(both.narrow(0, 0, 5), defined(a, 5, 5)), 1e-12);
  EXPECT_LT(difference(both.narrow(0, 5, 8), defined(b, 8, 8)), 1e-12);
}

}  // namespace
}  // namespace longhaul
