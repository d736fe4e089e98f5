// What every registered encoding must do, whoever wrote it: causality, chunked = one pass, a gradient for every parameter,
// finite at 16 times the trained length - except where its traits say that the definition forbids it.
#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/randint.h>
#include <torch/csrc/autograd/autograd.h>

#include "models/models.h"
#include "nn/forward.h"

namespace longhaul {

namespace {

constexpr int64_t kTrained = 16, kVocab = 31;

std::unique_ptr<Model> model_with(const std::string& position) {
  ModelOptions options;
  options.position = position;
  options.vocab = kVocab;
  options.trained_length = kTrained;
  options.dtype = at::kDouble;
  options.seed = 3;
  return create_model("gpt:layers=2,width=24,heads=3", options);
}

Tensor some_tokens(int64_t n) {
  return (at::arange(n, at::kLong) * 7 + at::arange(n, at::kLong).square() * 3).remainder(kVocab);
}

class EveryEncoding : public testing::TestWithParam<std::string> {};

TEST_P(EveryEncoding, LooksAtNothingAfterAToken) {
  auto model = model_with(GetParam());
  at::NoGradGuard off;
  Tensor a = some_tokens(kTrained), b = a.clone();
  b.narrow(0, 10, 6).fill_(1);
  Sequences seq = Sequences::equal(1, kTrained);
  Tensor x = forward(*model, a, seq, {}), y = forward(*model, b, seq, {});
  EXPECT_EQ((x - y).narrow(0, 0, 10).abs().max().item<double>(), 0);
  EXPECT_GT((x - y).narrow(0, 10, 6).abs().max().item<double>(), 0);
}

TEST_P(EveryEncoding, ChunksEqualOnePass) {
  auto model = model_with(GetParam());
  at::NoGradGuard off;
  Tensor tokens = some_tokens(2 * kTrained);
  int64_t length = model->info().traits.longest ? kTrained : 2 * kTrained;
  tokens = tokens.narrow(0, 0, length);
  Tensor whole = forward(*model, tokens, Sequences::equal(1, length), {});
  for (int64_t chunk : {1, 7, 64}) {
    ForwardOptions options;
    options.chunk = chunk;
    if (!model->info().traits.chunk_exact) {
      EXPECT_THROW(forward(*model, tokens, Sequences::equal(1, length), options), Error);
      continue;
    }
    Tensor parts = forward(*model, tokens, Sequences::equal(1, length), options);
    EXPECT_LT((whole - parts).abs().max().item<double>(), 1e-12) << "chunk " << chunk;
  }
}

// Every parameter moves the loss and has a gradient, or (what a softmax forgets) does neither.
TEST_P(EveryEncoding, GradientsReachEveryParameter) {
  auto model = model_with(GetParam());
  Tensor tokens = some_tokens(2 * kTrained);
  auto loss = [&] { return loss_sum(*model, tokens, tokens.roll(1), Sequences::equal(2, kTrained), {}); };
  Tensor before = loss();
  torch::autograd::backward({before}, {});
  for (const Parameter& p : model->parameters().all()) {
    if (!p.trainable) continue;
    ASSERT_TRUE(p.tensor.grad().defined()) << p.name;
    if (p.tensor.grad().abs().max().item<double>() > 0) continue;
    at::NoGradGuard off;
    Tensor(p.tensor).add_(at::arange(p.tensor.numel(), at::kDouble).view(p.tensor.sizes()) + 0.5);
    EXPECT_NEAR(loss().item<double>(), before.item<double>(), 1e-9) << p.name << " moves the loss and has no gradient";
  }
}

TEST_P(EveryEncoding, RecomputationChangesNothing) {
  auto a = model_with(GetParam()), b = model_with(GetParam());
  Tensor tokens = some_tokens(2 * kTrained);
  ForwardOptions options;
  torch::autograd::backward({loss_sum(*a, tokens, tokens.roll(1), Sequences::equal(2, kTrained), options)}, {});
  options.recompute = true;
  torch::autograd::backward({loss_sum(*b, tokens, tokens.roll(1), Sequences::equal(2, kTrained), options)}, {});
  for (const Parameter& p : a->parameters().all()) {
    if (!p.trainable) continue;
    EXPECT_TRUE(p.tensor.grad().equal(b->parameters().at(p.name).grad())) << p.name;
  }
}

TEST_P(EveryEncoding, IsFiniteAtSixteenTimesTheTrainedLength) {
  auto model = model_with(GetParam());
  int64_t length = 16 * kTrained;
  Sequences seq = Sequences::equal(1, length);
  int64_t longest = model->info().traits.longest;
  if (longest > 0 && longest < length) {
    EXPECT_THROW(forward(*model, some_tokens(length), seq, {}), Error);
    return;
  }
  at::NoGradGuard off;
  EXPECT_TRUE(at::isfinite(forward(*model, some_tokens(length), seq, {})).all().item<bool>());
}

TEST_P(EveryEncoding, ANeighbourInTheBatchChangesNothing) {
  auto model = model_with(GetParam());
  at::NoGradGuard off;
  Tensor a = some_tokens(11), b = some_tokens(5) + 1;
  Tensor both = forward(*model, at::cat({b, a}), Sequences::whole({5, 11}), {});
  EXPECT_LT((forward(*model, a, Sequences::whole({11}), {}) - both.narrow(0, 5, 11)).abs().max().item<double>(), 1e-13);
}

std::vector<std::string> every_spec() {
  std::vector<std::string> specs;
  for (const std::string& name : Encodings().names()) specs.push_back(name);
  for (const char* more : {"alibi:variant=upstream",
                           "sinusoidal:variant=upstream",
                           "rope:layout=half,dim=4",
                           "cable:variant=nw",
                           "cable:variant=5",
                           "cable:variant=7",
                           "cable:variant=v1a",
                           "cable:variant=v1b",
                           "kcable:variant=nw",
                           "kcable:variant=5",
                           "kcable:variant=dape-upstream",
                           "t5:variant=upstream",
                           "kerple:kind=power",
                           "fire:variant=upstream",
                           "fire:shared=true,length=8",
                           "dape:base=(cable)",
                           "dape:base=(fire),variant=upstream",
                           "dape:version=2",
                           "dape:version=2,base=(alibi)",
                           "random:base=(kerple),max=1k",
                           "random:base=(fire),max=1k",
                           "random:base=(alibi),max=1k",
                           "random:base=(t5),max=1k",
                           "random:base=(xpos),max=1k",
                           "random:base=(dape:base=(kerple)),max=1k",
                           "random:base=(learned:max=1k),max=1k"})
    specs.push_back(more);
  return specs;
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryEncoding, testing::ValuesIn(every_spec()), [](const auto& info) {
  std::string name = info.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

}  // namespace

}  // namespace longhaul
