#include "ops/norm/norm.h"

#include <torch/csrc/autograd/autograd.h>

#include "base/error.h"
#include "ops/norm/norm_kernels.h"
#include "ops/norm/norm_ref.h"
#include "testing.h"

namespace longhaul {
namespace {

using namespace testing;

struct NormCase {
  NormKind kind;
  bool weight, bias;
};

class NormTest : public ::testing::TestWithParam<NormCase> {
 protected:
  Norm norm(int64_t width, at::ScalarType type) const {
    return {GetParam().kind, GetParam().weight ? randn({width}, type, 2) : Tensor(),
            GetParam().bias ? randn({width}, type, 3) : Tensor(), 1e-5};
  }
};

struct Results {
  std::vector<double> y, dx, dweight, dbias;
};

// The definition in S, of f32 inputs.
template <class S>
Results reference(const Tensor& x, const Tensor& dy, const Norm& norm) {
  const auto convert = [](const Tensor& tensor) {
    const std::vector<double> wide = tensor.defined() ? values(tensor) : std::vector<double>();
    return std::vector<S>(wide.begin(), wide.end());
  };
  const std::vector<S> in = convert(x), grad = convert(dy), weight = convert(norm.weight), bias = convert(norm.bias);
  const S *w = weight.empty() ? nullptr : weight.data(), *b = bias.empty() ? nullptr : bias.data();
  std::vector<S> y(in.size()), dx(in.size()), dweight(weight.size()), dbias(bias.size());
  ref::normalize<S>(norm.kind, x.size(0), x.size(1), in.data(), w, b, norm.eps, y.data());
  ref::normalize_backward<S>(norm.kind, x.size(0), x.size(1), grad.data(), in.data(), w, norm.eps, dx.data(),
                             w ? dweight.data() : nullptr, b ? dbias.data() : nullptr);
  const auto widen = [](const std::vector<S>& v) { return std::vector<double>(v.begin(), v.end()); };
  return {widen(y), widen(dx), widen(dweight), widen(dbias)};
}

TEST_P(NormTest, IsTheDefinition) {
  const MemoryOfNaN fill;
  for (auto [tokens, width] : {std::pair<int64_t, int64_t>{1, 1}, {3, 7}, {5, 64}, {33, 200}, {70, 771}}) {
    SCOPED_TRACE(str("T ", tokens, " C ", width));
    const Norm plain = norm(width, at::kFloat);
    // Rows of a wider tensor, far from zero, as the streams of a trained model are.
    const Tensor x = (randn({tokens, width + 3}, at::kFloat, 1) + 2).narrow(1, 2, width);
    const Tensor dy = randn({tokens, width}, at::kFloat, 4);
    const Results wanted = reference<double>(x, dy, plain), float_code = reference<float>(x, dy, plain);
    for_each_target([&] {
      const Tensor leaf = x.detach().requires_grad_(true);
      Norm leaves = plain;
      if (leaves.weight.defined()) leaves.weight = plain.weight.clone().requires_grad_(true);
      if (leaves.bias.defined()) leaves.bias = plain.bias.clone().requires_grad_(true);
      const Tensor y = normalize(leaf, leaves);
      y.backward(dy);
      expect_as_good(y, wanted.y, float_code.y);
      expect_as_good(leaf.grad(), wanted.dx, float_code.dx, 1);
      if (leaves.weight.defined()) expect_as_good(leaves.weight.grad(), wanted.dweight, float_code.dweight);
      if (leaves.bias.defined()) expect_as_good(leaves.bias.grad(), wanted.dbias, float_code.dbias);
    });
    // The composition that other devices and types run.
    const Tensor dx = at::empty(x.sizes(), x.options());
    const NormGradients gradients = normalize_backward_aten(dx, dy, x, plain, true);
    expect_as_good(normalize_forward_aten(x, plain), wanted.y, float_code.y);
    expect_as_good(dx, wanted.dx, float_code.dx, 1);
    if (plain.weight.defined()) expect_as_good(gradients.weight, wanted.dweight, float_code.dweight);
  }
}

TEST_P(NormTest, GradientsMatchCentralDifferences) {
  const Norm like = norm(7, at::kDouble);
  std::vector<Tensor> inputs{randn({5, 7}, at::kDouble, 1)};
  if (like.weight.defined()) inputs.push_back(like.weight);
  if (like.bias.defined()) inputs.push_back(like.bias);
  expect_gradients(
      [&](const std::vector<Tensor>& in) {
        return normalize(in[0], {like.kind, like.weight.defined() ? in[1] : Tensor(),
                                 like.bias.defined() ? in.back() : Tensor(), like.eps});
      },
      inputs);
}

TEST_P(NormTest, SameBitsOnAnyThreadCount) {
  const Tensor x = randn({300, 65}, at::kFloat, 1), dy = randn({300, 65}, at::kFloat, 4);
  const Norm plain = norm(65, at::kFloat);
  expect_same_bits_on_any_thread_count([&] {
    const Tensor dx = at::empty(x.sizes(), x.options());
    const NormGradients gradients = normalize_backward(dx, dy, x, plain, true);
    std::vector<Tensor> out{normalize(x, plain), dx};
    for (const Tensor& tensor : {gradients.weight, gradients.bias}) {
      if (tensor.defined()) out.push_back(tensor);
    }
    return out;
  });
}

TEST_P(NormTest, Bfloat16RowsHaveFloatStatistics) {
  const Tensor x = (randn({4, 96}, at::kDouble, 1) + 2).to(at::kBFloat16), dy = randn({4, 96}, at::kBFloat16, 4);
  const Norm plain = norm(96, at::kFloat);
  const Tensor y = normalize(x, plain);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  expect_near(y, reference<double>(x, dy, plain).y, std::ldexp(1, -8));
}

TEST(Norm, AnOffsetIsPartOfTheWeightAndNoNormIsX) {
  const Tensor x = randn({5, 8}, at::kDouble, 1), weight = randn({8}, at::kDouble, 2).requires_grad_(true);
  const Norm shifted{NormKind::rms, weight, {}, 1e-5, 1}, plain{NormKind::rms, weight.detach() + 1, {}, 1e-5};
  const Tensor y = normalize(x, shifted);
  EXPECT_TRUE(y.equal(normalize(x, plain)));
  torch::autograd::backward({y.sum()}, {});
  EXPECT_LT((weight.grad() - normalize(x, {NormKind::rms, {}, {}, 1e-5}).sum(0)).abs().max().item<double>(), 1e-12);
  EXPECT_TRUE(normalize(x, {NormKind::none, {}, {}}).equal(x));
}

INSTANTIATE_TEST_SUITE_P(
    All, NormTest,
    ::testing::Values(NormCase{NormKind::layer, true, true}, NormCase{NormKind::layer, true, false},
                      NormCase{NormKind::layer, false, true}, NormCase{NormKind::layer, false, false},
                      NormCase{NormKind::rms, true, false}, NormCase{NormKind::rms, false, false}));

TEST(Norm, SaysWhatIsWrong) {
  const Tensor x = randn({2, 4}, at::kFloat, 1);
  EXPECT_THROW(normalize(x, {NormKind::layer, randn({5}, at::kFloat, 1), {}, 1e-5}), Error);
  EXPECT_THROW(normalize(x, {NormKind::rms, {}, randn({4}, at::kFloat, 1), 1e-5}), Error);
  EXPECT_THROW(normalize(x.flatten(), {NormKind::rms, {}, {}, 1e-5}), Error);
}

}  // namespace
}  // namespace longhaul
