#include "ops/linear/linear.h"

#include "base/error.h"
#include "ops/linear/linear_ref.h"
#include "testing.h"

namespace longhaul {
namespace {

using namespace testing;

constexpr Activation kActivations[] = {Activation::gelu_tanh, Activation::gelu, Activation::relu, Activation::silu};

std::vector<Tensor> inputs(size_t count) {
  std::vector<Tensor> all{randn({4, 6}, at::kDouble, 1), randn({5, 6}, at::kDouble, 2), randn({5}, at::kDouble, 3),
                          randn({6}, at::kDouble, 4), randn({6}, at::kDouble, 5)};
  all.resize(count);
  return all;
}

// x weight^T + bias in S, of inputs rounded to f32.
template <class S>
std::vector<double> reference(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const auto convert = [](const Tensor& tensor) {
    const std::vector<double> wide = values(tensor);
    return std::vector<S>(wide.begin(), wide.end());
  };
  std::vector<S> y(x.size(0) * weight.size(0));
  ref::linear<S>(x.size(0), x.size(1), weight.size(0), convert(x).data(), convert(weight).data(),
                 bias.defined() ? convert(bias).data() : nullptr, y.data());
  return {y.begin(), y.end()};
}

TEST(Linear, IsTheDefinition) {
  const MemoryOfNaN fill;
  for (auto [tokens, in, out] : {std::array<int64_t, 3>{1, 1, 1}, {7, 5, 3}, {33, 65, 17}, {1, 300, 200}}) {
    SCOPED_TRACE(str(tokens, " x ", in, " -> ", out));
    const Tensor x = randn({tokens, in + 2}, at::kFloat, 1).narrow(1, 1, in);
    const Tensor weight = randn({out, in}, at::kFloat, 2), bias = randn({out}, at::kFloat, 3);
    for (const Tensor& b : {bias, Tensor()}) {
      expect_as_good(linear(x, {weight, b}), reference<double>(x, weight, b), reference<float>(x, weight, b));
    }
    const auto round = [](const Tensor& tensor) { return tensor.to(at::kBFloat16).to(at::kFloat); };
    const Tensor rounded = round(x), factor = round(weight);
    expect_as_good(linear(x, {weight, bias}, ComputeType::bf16), reference<double>(rounded, factor, bias),
                   reference<float>(rounded, factor, bias));
  }
}

TEST(Linear, GradientsMatchCentralDifferences) {
  expect_gradients([](const auto& in) { return linear(in[0], {in[1], in[2]}); }, inputs(3));
  expect_gradients([](const auto& in) { return linear(in[0], {in[1], {}}); }, inputs(2));
}

TEST(Linear, NormLinearGradientsMatchCentralDifferences) {
  expect_gradients(
      [](const auto& in) {
        return norm_linear(in[0], {NormKind::layer, in[3], in[4], 1e-5}, {in[1], in[2]});
      },
      inputs(5));
  expect_gradients(
      [](const auto& in) {
        return norm_linear(in[0], {NormKind::rms, in[3], {}, 1e-5}, {in[1], in[2]});
      },
      inputs(4));
}

TEST(Linear, ActivationGradientsMatchCentralDifferences) {
  for (Activation a : kActivations) {
    expect_gradients([a](const auto& in) { return activation_linear(in[0], a, {in[1], in[2]}); }, inputs(3));
    expect_gradients([a](const auto& in) { return activate(in[0], a); }, inputs(1));
  }
}

// bf16 products round the gradient as well; each product is held against the one of the rounded operands in double.
TEST(Linear, Bfloat16GradientsAreProductsOfRoundedOperands) {
  const Tensor x = randn({9, 70}, at::kFloat, 1).requires_grad_(true), dy = randn({9, 5}, at::kFloat, 3);
  const Tensor weight = randn({5, 70}, at::kFloat, 2).requires_grad_(true);
  linear(x, {weight, {}}, ComputeType::bf16).backward(dy);
  const auto round = [](const Tensor& tensor) { return tensor.detach().to(at::kBFloat16).to(at::kDouble); };
  expect_near(x.grad(), values(round(dy).mm(round(weight))), 1e-6);
  expect_near(weight.grad(), values(round(dy).t().mm(round(x))), 1e-6);
}

// The layers work in blocks of rows; what one block gives must be what separate calls give.
TEST(Linear, BlocksOfRowsAreOneLayer) {
  const int64_t tokens = 1030, in = 4100, out = 3;
  const Tensor x = randn({tokens, in}, at::kFloat, 1), weight = randn({out, in}, at::kFloat, 2) * 0.02;
  const Tensor dy = randn({tokens, out}, at::kFloat, 3), scale = randn({in}, at::kFloat, 4);
  const Norm norm{NormKind::rms, scale.requires_grad_(true), {}, 1e-5};
  const auto run = [&](bool normed, bool fused) {
    const Tensor leaf = x.clone().requires_grad_(true);
    const Linear layer{weight.clone().requires_grad_(true), {}};
    norm.weight.mutable_grad() = Tensor();
    const Tensor y = normed ? (fused ? norm_linear(leaf, norm, layer) : linear(normalize(leaf, norm), layer))
                            : (fused ? activation_linear(leaf, Activation::gelu_tanh, layer)
                                     : linear(activate(leaf, Activation::gelu_tanh), layer));
    y.backward(dy);
    std::vector<Tensor> all{y, leaf.grad(), layer.weight.grad()};
    if (normed) all.push_back(norm.weight.grad());
    return all;
  };
  for (bool normed : {false, true}) {
    const std::vector<Tensor> fused = run(normed, true), apart = run(normed, false);
    for (size_t i = 0; i < fused.size(); ++i) expect_near(fused[i], values(apart[i]), 3e-6);
  }
}

TEST(Linear, SavesNothingButItsInput) {
  const Tensor x = randn({64, 32}, at::kFloat, 1).requires_grad_(true);
  const Linear layer{randn({16, 32}, at::kFloat, 2).requires_grad_(true), {}};
  const MemoryMeter meter;
  const Tensor y = norm_linear(x, {NormKind::layer, {}, {}, 1e-5}, layer);
  EXPECT_EQ(meter.now(), 64 * 16 * 4);
  const Tensor z = activation_linear(x, Activation::gelu_tanh, layer);
  EXPECT_EQ(meter.now(), 2 * 64 * 16 * 4);
}

TEST(Activation, IsTheDefinition) {
  const MemoryOfNaN fill;
  for (int64_t count : {1, 5, 16, 33, 1000}) {
    const Tensor x = randn({1, count}, at::kFloat, 1) * 3, dy = randn({1, count}, at::kFloat, 2);
    const std::vector<double> in = values(x), grad = values(dy);
    for (Activation a : kActivations) {
      std::vector<double> y, dx, plain_y, plain_dx;
      for (int64_t i = 0; i < count; ++i) {
        y.push_back(ref::activate(a, in[i]));
        dx.push_back(grad[i] * ref::activate_slope(a, in[i]));
        plain_y.push_back(ref::activate(a, static_cast<float>(in[i])));
        plain_dx.push_back(static_cast<float>(grad[i]) * ref::activate_slope(a, static_cast<float>(in[i])));
      }
      for_each_target([&] {
        const Tensor leaf = x.clone().requires_grad_(true), out = activate(leaf, a);
        out.backward(dy);
        expect_as_good(out, y, plain_y);
        expect_as_good(leaf.grad(), dx, plain_dx);
      });
    }
  }
}

TEST(Activation, FarValuesStayFiniteAndNaNStaysNaN) {
  for_each_target([] {
    for (Activation a : {Activation::gelu_tanh, Activation::silu}) {
      const Tensor x = at::empty({1, 3}, at::kFloat);
      x[0][0] = -1e4, x[0][1] = 1e4, x[0][2] = std::nan("");
      const Tensor leaf = x.clone().requires_grad_(true), y = activate(leaf, a);
      y.sum().backward();
      EXPECT_NEAR(values(y)[0], 0, 1e-30);
      EXPECT_EQ(values(y)[1], 1e4);
      EXPECT_TRUE(std::isnan(values(y)[2]));
      EXPECT_NEAR(values(leaf.grad())[0], 0, 1e-20);
      EXPECT_EQ(values(leaf.grad())[1], 1);
      EXPECT_TRUE(std::isnan(values(leaf.grad())[2]));
    }
  });
}

TEST(Linear, SaysWhatIsWrong) {
  const Tensor x = randn({2, 4}, at::kFloat, 1), weight = randn({3, 4}, at::kFloat, 1);
  EXPECT_THROW(linear(x, Linear()), Error);
  EXPECT_THROW(linear(x, {weight.t(), {}}), Error);
  EXPECT_THROW(linear(x, {weight, randn({4}, at::kFloat, 1)}), Error);
}

}  // namespace
}  // namespace longhaul
