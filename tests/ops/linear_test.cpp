#include "ops/linear/linear.h"

#include "ops/linear/linear_ref.h"
#include "testing.h"

namespace longhaul {
namespace {

using namespace testing;

std::vector<Tensor> linear_inputs() {
  return {randn({4, 6}, at::kDouble, 1), randn({5, 6}, at::kDouble, 2), randn({5}, at::kDouble, 3),
          randn({6}, at::kDouble, 4), randn({6}, at::kDouble, 5)};
}

TEST(Linear, GradientsMatchCentralDifferences) {
  auto inputs = linear_inputs();
  inputs.resize(3);
  expect_gradients([](const auto& in) { return linear(in[0], {in[1], in[2]}); }, inputs);
  inputs.resize(2);
  expect_gradients([](const auto& in) { return linear(in[0], {in[1], {}}); }, inputs);
}

TEST(Linear, NormLinearGradientsMatchCentralDifferences) {
  auto inputs = linear_inputs();
  expect_gradients(
      [](const auto& in) {
        return norm_linear(in[0], {NormKind::layer, in[3], in[4], 1e-5}, {in[1], in[2]});
      },
      inputs);
  inputs.pop_back();
  expect_gradients(
      [](const auto& in) {
        return norm_linear(in[0], {NormKind::rms, in[3], {}, 1e-5}, {in[1], in[2]});
      },
      inputs);
}

TEST(Linear, ActivationGradientsMatchCentralDifferences) {
  auto inputs = linear_inputs();
  inputs.resize(3);
  for (Activation a : {Activation::gelu_tanh, Activation::gelu, Activation::relu, Activation::silu}) {
    expect_gradients([a](const auto& in) { return activation_linear(in[0], a, {in[1], in[2]}); }, inputs);
    expect_gradients([a](const auto& in) { return activate(in[0], a); }, {inputs[0]});
  }
}

}  // namespace
}  // namespace longhaul
