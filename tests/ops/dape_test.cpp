#include "ops/dape/dape.h"

#include "base/error.h"
#include "ops/dape/dape_ref.h"
#include "testing.h"

namespace longhaul {
namespace {

using namespace testing;

struct Case {
  int64_t heads, hidden, rows, keys;
};
constexpr Case kCases[] = {{1, 1, 1, 1}, {3, 5, 4, 9}, {6, 32, 7, 61}, {12, 32, 1, 300}, {8, 17, 70, 83}};

// logits, bias, weight0, bias0, weight2, bias2.
std::vector<Tensor> some_inputs(const Case& c, at::ScalarType type) {
  return {randn({c.heads, c.rows, c.keys}, type, 1), randn({c.heads, c.rows, c.keys}, type, 2),
          randn({c.hidden, 2 * c.heads}, type, 3),   randn({c.hidden}, type, 4),
          randn({c.heads, c.hidden}, type, 5),       randn({c.heads}, type, 6)};
}

Tensor dape_of(const std::vector<Tensor>& in, bool adds_bias) {
  return dape(in[0], in[1], {in[2], in[3], in[4], in[5]}, adds_bias);
}

template <class S>
std::vector<double> reference(const std::vector<Tensor>& in, bool adds_bias) {
  const auto convert = [](const Tensor& tensor) {
    const std::vector<double> wide = values(tensor);
    return std::vector<S>(wide.begin(), wide.end());
  };
  const ref::DapeNetwork<S> net{convert(in[2]), convert(in[3]), convert(in[4]), convert(in[5])};
  const std::vector<S> logits = convert(in[0]), bias = convert(in[1]);
  const size_t heads = in[0].size(0), pairs = logits.size() / heads;
  std::vector<double> out(logits.size());
  for (size_t n = 0; n < pairs; ++n) {
    std::vector<S> a, b;
    for (size_t h = 0; h < heads; ++h) a.push_back(logits[h * pairs + n]), b.push_back(bias[h * pairs + n]);
    const std::vector<S> y = ref::dape<S>(net, a, b, adds_bias);
    for (size_t h = 0; h < heads; ++h) out[h * pairs + n] = y[h];
  }
  return out;
}

TEST(Dape, IsTheDefinition) {
  const MemoryOfNaN fill;
  for (const Case& c : kCases) {
    for (bool adds_bias : {false, true}) {
      SCOPED_TRACE(str(c.heads, " heads, ", c.hidden, " hidden, ", c.rows, " x ", c.keys, ", adds bias: ", adds_bias));
      const std::vector<Tensor> in = some_inputs(c, at::kFloat);
      const auto wanted = reference<double>(in, adds_bias), plain = reference<float>(in, adds_bias);
      for_each_target([&] { expect_as_good(dape_of(in, adds_bias), wanted, plain); });
    }
  }
}

TEST(Dape, GradientsMatchCentralDifferences) {
  for (bool adds_bias : {false, true})
    expect_gradients([&](const auto& in) { return dape_of(in, adds_bias); }, some_inputs({3, 5, 2, 4}, at::kDouble),
                     1e-6);
}

TEST(Dape, TheKernelsGradientsAreTheCompositions) {
  for (const Case& c : kCases) {
    for (bool adds_bias : {false, true}) {
      SCOPED_TRACE(str(c.heads, " heads, ", c.hidden, " hidden, ", c.rows, " x ", c.keys, ", adds bias: ", adds_bias));
      const auto gradients = [&](at::ScalarType type) {
        std::vector<Tensor> in = some_inputs(c, at::kFloat), found;
        for (Tensor& x : in) x = x.to(type).requires_grad_(true);
        dape_of(in, adds_bias).backward(randn({c.heads, c.rows, c.keys}, at::kFloat, 7).to(type));
        for (const Tensor& x : in) found.push_back(x.grad());
        return found;
      };
      const std::vector<Tensor> wanted = gradients(at::kDouble);
      for_each_target([&] {
        const MemoryOfNaN fill;
        const std::vector<Tensor> found = gradients(at::kFloat);
        for (size_t n = 0; n < found.size(); ++n) expect_near(found[n], values(wanted[n]), 3e-5);
      });
    }
  }
}

TEST(Dape, SameBitsOnAnyThreadCount) {
  expect_same_bits_on_any_thread_count([] {
    std::vector<Tensor> in = some_inputs({6, 32, 90, 90}, at::kFloat), found;
    for (Tensor& x : in) x.requires_grad_(true);
    found.push_back(dape_of(in, true));
    found[0].backward(randn({6, 90, 90}, at::kFloat, 7));
    for (const Tensor& x : in) found.push_back(x.grad());
    return found;
  });
}

TEST(Dape, RefusesWeightsThatDoNotFit) {
  std::vector<Tensor> in = some_inputs({3, 5, 2, 4}, at::kFloat);
  in[2] = in[2].narrow(1, 0, 5);
  EXPECT_THROW(dape_of(in, true), Error);
}

}  // namespace
}  // namespace longhaul
