// Groups, clipping and order of the optimizer against AdamW's definition in double.
#include "train/optimizer.h"

#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <limits>

#include "support.h"

namespace longhaul {
namespace {

// Matrix, vector, rank-3 table (decayed as well), frozen matrix, scalar.
Parameters sample_parameters() {
  Parameters parameters(7, at::kDouble);
  parameters.add("matrix", {4, 3}, Init::normal(1));
  parameters.add("vector", {5}, Init::normal(1));
  parameters.add("table", {2, 1, 1}, Init::normal(1));
  parameters.add("frozen", {2, 2}, Init::normal(1), false);
  parameters.add("scalar", {}, Init::constant(0.5));
  parameters.tie("head", "matrix");
  return parameters;
}

std::vector<Tensor> sample_gradients(const Optimizer& optimizer, double scale) {
  std::vector<Tensor> gradients;
  for (const Parameter& p : optimizer.trainable()) gradients.push_back(at::full(p.tensor.sizes(), scale, at::kDouble));
  return gradients;
}

TEST(Optimizer, GroupsByRankAndTakesTiedTensorsOnce) {
  Parameters parameters = sample_parameters();
  Optimizer optimizer(parameters, {});
  std::vector<std::string> names;
  for (const Parameter& p : optimizer.trainable()) names.push_back(p.name);
  EXPECT_EQ(names, (std::vector<std::string>{"matrix", "vector", "table", "scalar"}));
  EXPECT_TRUE(optimizer.decayed(0));
  EXPECT_FALSE(optimizer.decayed(1));
  EXPECT_TRUE(optimizer.decayed(2));
  EXPECT_FALSE(optimizer.decayed(3));
}

// Three steps with gradients large enough to be clipped, every entry against the recurrence written out.
TEST(Optimizer, FollowsTheDefinition) {
  Parameters parameters = sample_parameters();
  OptimizerOptions options;
  Optimizer optimizer(parameters, options);
  Schedule schedule{1e-2, 1e-3, 2, 10};
  std::vector<double> x, m(4), v(4);
  for (const Parameter& p : optimizer.trainable()) x.push_back(p.tensor.detach().flatten()[0].item<double>());
  int64_t entries = 12 + 5 + 2 + 1;
  for (int64_t t = 0; t < 3; ++t) {
    double g = 2.0 + static_cast<double>(t), norm = g * std::sqrt(static_cast<double>(entries));
    Update update = optimizer.step(sample_gradients(optimizer, g), t, schedule);
    EXPECT_NEAR(update.norm, norm, 1e-12 * norm);
    EXPECT_EQ(update.lr, schedule.lr(t));
    double clipped = g * std::min(1.0, options.clip / (norm + 1e-6));
    for (size_t i = 0; i < 4; ++i) {
      x[i] *= 1 - schedule.lr(t) * (optimizer.decayed(i) ? options.weight_decay : 0);
      m[i] = options.beta1 * m[i] + (1 - options.beta1) * clipped;
      v[i] = options.beta2 * v[i] + (1 - options.beta2) * clipped * clipped;
      double step = static_cast<double>(t + 1);
      x[i] -= schedule.lr(t) * (m[i] / (1 - std::pow(options.beta1, step))) /
              (std::sqrt(v[i] / (1 - std::pow(options.beta2, step))) + options.eps);
      EXPECT_NEAR(optimizer.trainable()[i].tensor.detach().flatten()[0].item<double>(), x[i], 1e-12)
          << i << " at " << t;
    }
  }
}

TEST(Optimizer, SmallGradientsAreNotScaledAndClipZeroIsOff) {
  for (double clip : {1.0, 0.0}) {
    Parameters parameters = sample_parameters();
    OptimizerOptions options;
    options.clip = clip;
    Optimizer optimizer(parameters, options);
    double g = clip > 0 ? 1e-3 : 50.0;
    optimizer.step(sample_gradients(optimizer, g), 0, {1e-2, 1e-3, 0, 10});
    EXPECT_NEAR(optimizer.first_moment(0).flatten()[0].item<double>(), 0.1 * g, 1e-15 * std::max(1.0, g));
  }
}

TEST(Optimizer, NonFiniteNormChangesNothing) {
  Parameters parameters = sample_parameters();
  Optimizer optimizer(parameters, {});
  Tensor before = parameters.at("matrix").detach().clone();
  auto gradients = sample_gradients(optimizer, 1);
  gradients[1][2] = std::numeric_limits<double>::quiet_NaN();
  Update update = optimizer.step(gradients, 0, {});
  EXPECT_FALSE(std::isfinite(update.norm));
  EXPECT_TRUE(before.equal(parameters.at("matrix").detach()));
  EXPECT_EQ(optimizer.first_moment(0).abs().sum().item<double>(), 0);
}

TEST(Optimizer, UndefinedGradientLeavesItsParameterAlone) {
  Parameters parameters = sample_parameters();
  Optimizer optimizer(parameters, {});
  Tensor before = parameters.at("table").detach().clone();
  auto gradients = sample_gradients(optimizer, 1);
  gradients[2] = Tensor();
  optimizer.step(gradients, 0, {1e-2, 1e-3, 0, 10});
  EXPECT_TRUE(before.equal(parameters.at("table").detach()));
}

TEST(Optimizer, MomentsSurviveTheFileBitwise) {
  TemporaryFolder folder;
  std::string path = folder / "moments.safetensors";
  Parameters parameters = sample_parameters(), other = sample_parameters();
  Optimizer optimizer(parameters, {}), copy(other, {});
  optimizer.step(sample_gradients(optimizer, 0.37), 0, {1e-2, 1e-3, 0, 10});
  optimizer.save(path);
  copy.load(path);
  for (size_t i = 0; i < optimizer.trainable().size(); ++i) {
    EXPECT_TRUE(optimizer.first_moment(i).equal(copy.first_moment(i)));
    EXPECT_TRUE(optimizer.second_moment(i).equal(copy.second_moment(i)));
  }
  Parameters single(7, at::kFloat);
  single.add("matrix", {4, 3}, Init::normal(1));
  Optimizer wrong(single, {});
  EXPECT_THROW(wrong.load(path), Error);
}

}  // namespace
}  // namespace longhaul
