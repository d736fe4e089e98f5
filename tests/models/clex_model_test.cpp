// A CLEX checkpoint as users have it: it loads of itself, decodes, refuses what is too long, and trains its ODE.
#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "methods/planned_encoding.h"
#include "models/models.h"
#include "nn/forward.h"
#include "pos/rope_clex.h"
#include "support.h"
#include "toy_checkpoint.h"

namespace longhaul {
namespace {

constexpr const char* kLayer = "model.clex_layer.";

// A toy of trained length 32 and head size 4, whose ODE goes up to t = 4.
ToyCheckpoint toy(const std::string& family, bool log_scale) {
  ToyCheckpoint toy = toy_checkpoint(family);
  toy.config["rope_scaling"] = {{"type", "clex"}, {"max_factor", 4}, {"param_factor", 2},
                                {"factor", 1},    {"act", "tanh"},   {"time_dt", 0.1}};
  toy.config["use_flashattn"] = true;
  if (!log_scale) toy.config["log_scale"] = false;
  toy.shapes[std::string(kLayer) + "proj_func.ode_up_proj"] = {2, 8};
  toy.shapes[std::string(kLayer) + "proj_func.ode_down_proj"] = {8, 2};
  return toy;
}

class ClexModel : public testing::Test {
 protected:
  std::unique_ptr<Model> load(const ToyCheckpoint& toy, const std::string& method = "none") {
    toy.write(folder_.path());
    LoadOptions options;
    options.dtype = at::kDouble, options.method = method;
    return load_model(folder_.path(), options);
  }
  static const ClexRope& rope_of(const Model& model) {
    return dynamic_cast<const ClexRope&>(*rotary_of(model.encoding())->rope().policy);
  }
  TemporaryFolder folder_;
};

TEST_F(ClexModel, LoadsOfItselfAndEndsWhereItsOdeDoes) {
  const auto model = load(toy("llama", false));
  EXPECT_EQ(model->info().traits.longest, 128);
  EXPECT_EQ(model->info().traits.limit, "the ODE ends at 128 tokens (max_factor x trained length)");
  EXPECT_TRUE(model->info().traits.grows());
  EXPECT_EQ(rope_of(*model).settings().ode.hidden, 8);
  EXPECT_NEAR(rope_of(*model).first()[1], 0.01, 1e-9);  // not in the file: theta's
  EXPECT_NE(rope_of(*model).frequencies(33), rope_of(*model).first());
  const at::NoGradGuard off;
  EXPECT_TRUE(contains(error_of([&] { forward(*model, at::zeros({129}, at::kLong), Sequences::equal(1, 129), {}); }),
                       "encoding 'rope:clex' ends at 128 tokens, asked for 129"));
  EXPECT_EQ(load(toy("llama", false), "clex:max_factor=8")->info().traits.longest, 256);
  EXPECT_TRUE(load(toy("mistral", false), "clex:solver=f32+sink")->info().traits.grows());
}

TEST_F(ClexModel, LogScaleIsLlamasAndOnWhereItIsNotSaid) {
  const at::NoGradGuard off;
  const Sequences seq = Sequences::equal(1, 8);
  EXPECT_NEAR(load(toy("llama", true))->encoding().prepare(seq, {}).row_scale[3].item<double>(),
              std::log(8) / std::log(32), 1e-12);
  EXPECT_FALSE(load(toy("llama", false))->encoding().prepare(seq, {}).row_scale.defined());
  ToyCheckpoint mixtral = toy("mixtral", true);
  mixtral.config["log_scale"] = true;  // published, and without a meaning
  EXPECT_FALSE(load(mixtral)->encoding().prepare(seq, {}).row_scale.defined());
}

// Other frequencies take the place of CLEX's and of its factor of the logits, unless they ask for one themselves.
TEST_F(ClexModel, LogScaleGoesWithItsFrequencies) {
  const at::NoGradGuard off;
  const auto scale_under = [&](const std::string& method) {
    const auto model = load(toy("llama", true), method);
    const Tensor scale = model->encoding().prepare(Sequences::equal(1, 8), {}).row_scale;
    EXPECT_EQ(model->encoding().traits().by_length, scale.defined()) << method;
    return scale.defined() ? scale[3].item<double>() : 1;
  };
  for (const char* method : {"none", "clex:max_factor=8", "sink", "default+log-n:by=text,clamp=false"})
    EXPECT_NEAR(scale_under(method), std::log(8) / std::log(32), 1e-12) << method;
  for (const char* method : {"default", "yarn:factor=4", "sink+pi:factor=4"})
    EXPECT_EQ(scale_under(method), 1) << method;
}

TEST_F(ClexModel, ChunksOfTheirOwnEndAreAnotherReading) {
  const at::NoGradGuard off;
  const Tensor tokens = at::arange(70, at::kLong) % 23;
  const auto prompt = load(toy("llama", false)), upstream = load(toy("llama", false), "clex:chunks=upstream");
  ForwardOptions chunked;
  chunked.chunk = 20;
  const Sequences seq = Sequences::equal(1, 70);
  const auto read = [&](const Model& model, const ForwardOptions& options) {
    return forward(model, tokens, seq, options);
  };
  const auto difference = [](const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); };
  const Tensor whole = read(*prompt, {});
  EXPECT_LT(difference(read(*prompt, chunked), whole), 1e-10);
  EXPECT_LT(difference(read(*upstream, {}), whole), 1e-10);
  EXPECT_GT(difference(read(*upstream, chunked), whole), 1e-4);
}

TEST_F(ClexModel, TrainsItsOdeTheSameWithRecomputation) {
  const Tensor tokens = at::arange(48, at::kLong) % 23, targets = (at::arange(48, at::kLong) * 5 + 1) % 23;
  const auto gradients = [&](bool recompute, int64_t number) {
    const auto model = load(toy("llama", false));
    ForwardOptions options;
    options.step = {.training = true, .seed = 1, .number = number};
    options.recompute = recompute;
    torch::autograd::backward({loss_sum(*model, tokens, targets, Sequences::whole({48}), options)}, {});
    std::vector<Tensor> found;
    for (const Parameter& p : model->parameters().all())
      if (p.trainable) found.push_back(p.tensor.grad());
    return found;
  };
  double largest = 0;
  for (int64_t number = 0; number < 4; ++number) {
    const auto plain = gradients(false, number), again = gradients(true, number);
    for (size_t n = 0; n < plain.size(); ++n) {
      ASSERT_TRUE(plain[n].defined() && again[n].defined()) << n;
      EXPECT_LT((plain[n] - again[n]).abs().max().item<double>(), 1e-9 * (1 + plain[n].abs().max().item<double>()))
          << n;
    }
    largest = std::max(largest, plain.back().abs().max().item<double>());
  }
  EXPECT_GT(largest, 1e-6);
}

}  // namespace
}  // namespace longhaul
