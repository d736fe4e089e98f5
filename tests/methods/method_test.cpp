// Length methods against their definitions: every pair of query and key rotated by the distance that the method gives it, one
// softmax, in double; the same through caches, chunks and pages; and what is refused.
#include "methods/method.h"

#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <functional>
#include <optional>

#include "nn/attention_block.h"
#include "pos/rotary_encoding.h"
#include "pos/rotation.h"
#include "support.h"

namespace longhaul {
namespace {

constexpr int64_t kWidth = 12, kHeads = 4, kKvHeads = 2, kSize = 8, kDim = 6, kTrained = 16;

Tensor values(int64_t rows, int64_t columns, double phase) {
  const Tensor x = at::arange(rows * columns, at::kDouble).view({rows, columns});
  return at::sin(x * 0.7 + phase) * 0.6 + at::cos(x.square() * 0.01 + phase) * 0.3;
}

Rope plain_rope(RotaryLayout layout) {
  Rope rope;
  rope.type = "default";
  rope.layout = layout;
  rope.base.dim = kDim, rope.base.theta = 100, rope.base.max_positions = kTrained;
  rope.policy = fixed_rope(rotary_frequencies(100, kDim));
  return rope;
}

std::unique_ptr<Encoding> under(const std::string& method, at::ScalarType dtype = at::kDouble,
                                RotaryLayout layout = RotaryLayout::half) {
  return encoding_under(method, std::make_unique<RotaryEncoding>(plain_rope(layout), dtype), kTrained);
}

AttentionWeights weights(at::ScalarType dtype) {
  AttentionWeights w;
  w.norm.kind = NormKind::none;
  w.qkv = {values((kHeads + 2 * kKvHeads) * kSize, kWidth, 0.2).to(dtype), {}};
  w.out = {values(kWidth, kHeads * kSize, 1.1).to(dtype), {}};
  w.heads = kHeads, w.kv_heads = kKvHeads, w.head_dim = kSize;
  return w;
}

// What the definition of a method says of a pair: at which distance it stands; none: it is not seen.
using Distance = std::function<std::optional<double>(double i, double j)>;
struct Definition {
  Distance distance = [](double i, double j) { return i - j; };
  std::function<double(double i)> scale = [](double) { return 1.0; };
  std::vector<double> frequencies = rotary_frequencies(100, kDim);
  double attention_factor = 1;
};

double product(const double* q, const double* k, double distance, const Definition& d, RotaryLayout layout) {
  double sum = 0;
  for (int64_t p = 0; p < kDim / 2; ++p) {
    const int64_t x = layout == RotaryLayout::half ? p : 2 * p, y = layout == RotaryLayout::half ? p + kDim / 2 : x + 1;
    const double angle = distance * d.frequencies[static_cast<size_t>(p)], c = std::cos(angle), s = std::sin(angle);
    sum += d.attention_factor * d.attention_factor * ((q[x] * c - q[y] * s) * k[x] + (q[x] * s + q[y] * c) * k[y]);
  }
  for (int64_t n = kDim; n < kSize; ++n) sum += q[n] * k[n];
  return sum;
}

Tensor defined(const Tensor& inputs, const Definition& d, RotaryLayout layout = RotaryLayout::half) {
  const AttentionWeights w = weights(at::kDouble);
  const Tensor heads =
      at::linear(inputs, w.qkv.weight).view({inputs.size(0), kHeads + 2 * kKvHeads, kSize}).contiguous();
  const auto head = [&](int64_t i, int64_t n) {
    return heads.const_data_ptr<double>() + (i * (kHeads + 2 * kKvHeads) + n) * kSize;
  };
  std::vector<Tensor> out;
  for (int64_t i = 0; i < inputs.size(0); ++i) {
    std::vector<Tensor> row;
    for (int64_t h = 0; h < kHeads; ++h) {
      const int64_t g = h / (kHeads / kKvHeads);
      std::vector<double> logits;
      std::vector<Tensor> seen;
      for (int64_t j = 0; j <= i; ++j) {
        const auto distance = d.distance(static_cast<double>(i), static_cast<double>(j));
        if (!distance) continue;
        logits.push_back(product(head(i, h), head(j, kHeads + g), *distance, d, layout) *
                         d.scale(static_cast<double>(i)) / std::sqrt(static_cast<double>(kSize)));
        seen.push_back(heads[j][kHeads + kKvHeads + g]);
      }
      row.push_back(at::softmax(at::tensor(logits, at::TensorOptions(at::kDouble)), 0).matmul(at::stack(seen)));
    }
    out.push_back(at::linear(at::cat(row).unsqueeze(0), w.out.weight));
  }
  return at::cat(out);
}

Tensor run(const Encoding& encoding, const Tensor& x, const Sequences& seq, LayerCache* cache = nullptr) {
  Pass pass;
  pass.plan = encoding.prepare(seq, {});
  pass.cache = cache;
  return attention_block(x, weights(x.scalar_type()), encoding, 0, pass, ComputeType::f32);
}

double difference(const Tensor& a, const Tensor& b) { return (a.to(at::kDouble) - b).abs().max().item<double>(); }

// One pass, a prompt in chunks, and token by token in a pool's pages.
void expect_defined(const std::string& method, const Definition& d, int64_t tokens = 75) {
  SCOPED_TRACE(method);
  const at::NoGradGuard off;
  const Tensor x = values(tokens, kWidth, 0.5), want = defined(x, d);
  const auto encoding = under(method);
  EXPECT_LT(difference(run(*encoding, x, Sequences::equal(1, tokens)), want), 1e-12);
  const Tensor two = run(*encoding, at::cat({x.slice(0, 0, 40), x}), Sequences::whole({40, tokens}));
  EXPECT_LT(difference(two.slice(0, 40), want), 1e-12) << "behind another sequence";
  const auto interleaved = under(method, at::kDouble, RotaryLayout::interleaved);
  EXPECT_LT(difference(run(*interleaved, x.slice(0, 0, 30), Sequences::chunk(0, 30, tokens)),
                       defined(x.slice(0, 0, 30), d, RotaryLayout::interleaved)),
            1e-12);
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const auto own = under(method, dtype);
    const double tolerance = dtype == at::kDouble ? 1e-12 : 1e-5;
    LayerCache cache = LayerCache::make(Sequences::equal(1, tokens), kKvHeads, kSize, 0, at::TensorOptions(dtype));
    LayerCache pool =
        LayerCache::pool(at::zeros({4 * kPageRows}, at::kDouble), kKvHeads, kSize, 0, at::TensorOptions(dtype));
    for (int64_t past = 0; past < tokens;) {
      const int64_t length = past == 0 ? 50 : past < 60 ? 7 : 1;
      Sequences seq = Sequences::chunk(past, std::min(length, tokens - past), tokens);
      const Tensor input = x.narrow(0, past, seq.tokens()).to(dtype), rows = want.narrow(0, past, seq.tokens());
      EXPECT_LT(difference(run(*own, input, seq, &cache), rows), tolerance) << past;
      seq.pages = std::make_shared<PageTable>(PageTable{{3, 1}});
      EXPECT_LT(difference(run(*own, input, seq, &pool), rows), tolerance) << past << ", in pages";
      past += seq.tokens();
    }
  }
}

TEST(Methods, SelfExtend) {
  for (auto [group, window] : {std::pair{3.0, 5.0}, std::pair{4.0, 8.0}, std::pair{8.0, 30.0}})
    expect_defined(
        str("self-extend:group=", group, ",window=", window), {.distance = [=](double i, double j) {
          if (i - j < window) return std::optional(i - j);
          return std::optional(std::floor(i / group) - std::floor(j / group) + window - std::floor(window / group));
        }});
}

TEST(Methods, ReRope) {
  expect_defined("rerope:window=9",
                 {.distance = [](double i, double j) { return std::optional(std::min(i - j, 9.0)); }});
  expect_defined("rerope:window=9,leak=4", {.distance = [](double i, double j) {
                   return std::optional(i - j < 9 ? i - j : 9 + (i - j - 9) / 4);
                 }});
}

TEST(Methods, Sink) {
  const auto distance = [](double i, double j) -> std::optional<double> {
    if (i - j < 12) return i - j;
    if (j >= 4) return {};
    return std::min(i, 15.0) - j;  // 4 sinks and 12 tokens: the query is the last of 16
  };
  expect_defined("sink", {.distance = distance});
  expect_defined("sink:sinks=4,window=12", {.distance = distance});
}

TEST(Methods, LmInfinite) {
  expect_defined("lm-infinite:global=3", {.distance = [](double i, double j) -> std::optional<double> {
                   if (i - j < kTrained) return i - j;
                   if (j >= 3) return {};
                   return kTrained;
                 }});
}

TEST(Methods, LogN) {
  const auto scale = [](double i) { return std::max(1.0, std::log(i + 1) / std::log(kTrained)); };
  expect_defined("log-n", {.scale = scale});
  const double whole = std::log(75) / std::log(kTrained);
  expect_defined("log-n:by=text", {.scale = [=](double) { return whole; }});
  const at::NoGradGuard off;
  const Tensor x = values(5, kWidth, 0.5);  // a short text, softer than the model's own
  const Definition soft{.scale = [](double) { return std::log(5) / std::log(kTrained); }};
  EXPECT_LT(difference(run(*under("log-n:by=text,clamp=false"), x, Sequences::equal(1, 5)), defined(x, soft)), 1e-12);
}

// What the length of the whole text scales is no other text's, which may begin alike.
TEST(Methods, LogNByTextSharesNoRows) {
  for (const char* method : {"log-n:by=text", "sink+log-n:by=text,clamp=false"}) {
    EXPECT_TRUE(under(method)->traits().by_length) << method;
    EXPECT_TRUE(under(method)->traits().grows()) << method;
  }
  for (const char* method : {"log-n", "sink", "log-n:by=query+pi:factor=4"})
    EXPECT_FALSE(under(method)->traits().by_length) << method;
}

TEST(Methods, RopeTypesAreMethods) {
  std::vector<double> slower = rotary_frequencies(100, kDim);
  for (double& f : slower) f /= 4;
  expect_defined("pi:factor=4", {.frequencies = slower});
  expect_defined("linear:factor=4", {.frequencies = slower});
  expect_defined("ntk:factor=4", {.frequencies = rotary_frequencies(100 * std::pow(4, 6.0 / 4), kDim)});
  expect_defined("default", {});
  // A prompt of 75 tokens, in any chunks.
  expect_defined("dynamic", {.frequencies = rotary_frequencies(100 * std::pow(75.0 / kTrained, 6.0 / 4), kDim)});
}

TEST(Methods, PartsComeIntoForceTogetherInAnyOrder) {
  Definition d;
  for (double& f : d.frequencies) f /= 2;
  d.scale = [](double i) { return std::max(1.0, std::log(i + 1) / std::log(kTrained)); };
  d.distance = [](double i, double j) { return std::optional(std::min(i - j, 9.0)); };
  expect_defined("rerope:window=9+log-n+pi:factor=2", d);
  expect_defined("pi:factor=2+rerope:window=9+log-n", d);
  EXPECT_EQ(canonical_method("rerope:window=9 + log-n+yarn:truncate=true,factor=4"),
            "log-n+rerope:window=9+yarn:factor=4,truncate=true");
  EXPECT_EQ(canonical_method("dynamic:per-request"), "dynamic:mode=per-request");
  EXPECT_EQ(canonical_method("log-n+dynamic: per-step ,factor=2"), "dynamic:factor=2,mode=per-step+log-n");
}

TEST(Methods, YarnSharpensFarPairsToo) {
  const auto encoding = under("yarn:factor=4,beta_fast=2,beta_slow=0.1");
  const auto& policy = *dynamic_cast<const RotaryEncoding&>(*encoding).rope().policy;
  Definition d;
  d.frequencies = policy.frequencies(1), d.attention_factor = 0.1 * std::log(4) + 1;
  EXPECT_NE(d.frequencies, rotary_frequencies(100, kDim));
  d.distance = [](double i, double j) { return std::optional(std::min(i - j, 9.0)); };
  expect_defined("yarn:factor=4,beta_fast=2,beta_slow=0.1+rerope:window=9", d);
}

std::string refusal(const std::string& method) {
  return error_of([&] { under(method); });
}

TEST(Methods, MistakesAreNamed) {
  EXPECT_EQ(refusal("yran:factor=4"), "unknown method 'yran' (did you mean 'yarn'?)");
  EXPECT_EQ(refusal("yarn:facter=4,factor=2"), "--method: unknown key 'yarn.facter' (did you mean 'factor'?)");
  EXPECT_EQ(refusal("yarn"), "--method: yarn.factor: wanted a number > 1, found no such key");
  EXPECT_EQ(refusal("yarn:factor=x"), R"(--method: yarn.factor: wanted a number > 1, found "x")");
  EXPECT_EQ(refusal("dynamic:mode=often"),
            R"(--method: dynamic.mode: wanted one of per-step, per-request, found "often")");
  EXPECT_EQ(refusal("dynamic:often"), refusal("dynamic:mode=often"));
  EXPECT_EQ(refusal("self-extend:group=8"), "self-extend: wanted the setting 'window=...', found none");
  EXPECT_EQ(refusal("self-extend:group=8,windw=4,window=4"),
            "self-extend: unknown key 'windw' (did you mean 'window'?)");
  EXPECT_EQ(refusal("rerope:window=0"), "rerope: window: wanted at least 1, got 0");
  EXPECT_EQ(refusal("rerope:window=9,leak=0"), "rerope: leak: wanted at least 1 (or no leak), got 0");
  EXPECT_EQ(refusal("sink+rerope:window=4"), "--method: rerope:window=4: another part sets what far pairs see already");
  EXPECT_EQ(refusal("pi:factor=2+yarn:factor=2"),
            "--method: yarn:factor=2: another part sets the rotary frequencies already");
  EXPECT_EQ(refusal("log-n+"), "--method: wanted a method, found nothing");
  EXPECT_TRUE(contains(refusal("clex"), "clex: the model has no clex_layer"));
  const auto without = [](const std::string& method) {
    return error_of([&] { encoding_under(method, std::make_unique<Encoding>(), kTrained); });
  };
  EXPECT_EQ(without("sink"), "--method: sink needs rotary positions, the model has none");
  EXPECT_EQ(without("yarn:factor=2"), "--method: yarn needs rotary positions, the model has none");
  EXPECT_EQ(without("log-n"), "no error");  // needs none
}

TEST(Methods, FactsSayWhatIsInForce) {
  std::string facts;
  for (const EncodingFact& fact : under("yarn:factor=4+self-extend:group=4,window=8")->facts())
    facts += fact.name + "=" + fact.value + " " + fact.source + "; ";
  EXPECT_TRUE(contains(facts, "rope_type=yarn --method; ")) << facts;
  EXPECT_TRUE(contains(facts, "factor=4 --method yarn.factor; ")) << facts;
  EXPECT_TRUE(contains(facts, "method=self-extend:group=4,window=8 --method; ")) << facts;
  EXPECT_TRUE(contains(facts, "reaches (tokens)=40 ")) << facts;
}

// A layer with a window of its own up to the method's is as it was, and self-extend does not carry it further.
TEST(Methods, LayersWithoutFarPairsAreNamed) {
  std::string facts;
  const auto said = [&](const std::vector<int64_t>& windows,
                        const std::string& method = "self-extend:group=4,window=8") {
    testing::internal::CaptureStderr();
    const auto encoding = encoding_under(
        method, std::make_unique<RotaryEncoding>(plain_rope(RotaryLayout::half), at::kDouble), kTrained, windows);
    facts.clear();
    for (const EncodingFact& fact : encoding->facts()) facts += fact.name + "=" + fact.value + " " + fact.source + "; ";
    return testing::internal::GetCapturedStderr();
  };
  const std::string why = " window, 8, is no larger than the method's, 8";
  EXPECT_TRUE(contains(said({8, 0, 5}),
                       "--method self-extend:group=4,window=8: no far pairs in 2 of 3 layers: their own" + why + "\n"));
  EXPECT_TRUE(contains(facts, "layers with far pairs=1 of 3 elsewhere the model's own" + why)) << facts;
  EXPECT_TRUE(contains(facts, "reaches (tokens)=40 ")) << facts;  // the layer without a window
  EXPECT_TRUE(contains(said({8, 5}), "no far pairs in 2 of 2 layers: their own" + why));
  EXPECT_TRUE(contains(facts, "layers with far pairs=0 of 2 ")) << facts;
  EXPECT_FALSE(contains(facts, "reaches")) << facts;
  EXPECT_EQ(said({9, 9}), "");
  EXPECT_FALSE(contains(facts, "layers with far pairs") || contains(facts, "reaches")) << facts;
  EXPECT_EQ(said({0, 0}), "");
  EXPECT_TRUE(contains(facts, "reaches (tokens)=40 ")) << facts;
  for (const char* method : {"sink", "lm-infinite:global=4"}) {
    EXPECT_TRUE(contains(said({8, 0}, method), "no far pairs in 1 of 2 layers"));
    EXPECT_TRUE(contains(facts, "=4 first tokens, always seen, in layers without a window of their own; ")) << facts;
    EXPECT_EQ(said({0, 0}, method), "");
    EXPECT_TRUE(contains(facts, "=4 first tokens, always seen; ")) << facts;
  }
}

// In a config the model's own original length counts; of a method, the one that it was given.
TEST(Methods, AMethodsOriginalLengthIsItsOwn) {
  Rope rope = plain_rope(RotaryLayout::half);
  rope.base.original_positions = 4;
  const auto encoding = encoding_under("yarn:factor=4,original_max_position_embeddings=8",
                                       std::make_unique<RotaryEncoding>(rope, at::kDouble), kTrained);
  std::string facts;
  for (const EncodingFact& fact : encoding->facts()) facts += fact.name + "=" + fact.value + " ";
  EXPECT_TRUE(contains(facts, "original_max_position_embeddings=8 ")) << facts;
}

}  // namespace
}  // namespace longhaul
