#include "ops/fire/fire.h"

#include "base/error.h"
#include "ops/fire/fire_ref.h"
#include "testing.h"

namespace longhaul {
namespace {

using namespace testing;

constexpr int64_t kHidden = 9, kHeads = 3;

// [c, reach, weight0, bias0, weight2, bias2]. Turns of the ReLUs lie below 0, within (0, 1) and above; one unit is constant. One
// turns at `kink`: at 0 it has no derivative for a key of distance 0, and counts as off.
std::vector<Tensor> some_weights(at::ScalarType type, double kink = 0) {
  std::vector<Tensor> in = {at::full({}, 0.3, at::kDouble),           at::full({}, -20.0, at::kDouble),
                            randn({kHidden, 1}, at::kDouble, 1),      randn({kHidden}, at::kDouble, 2) * 0.4,
                            randn({kHeads, kHidden}, at::kDouble, 3), randn({kHeads}, at::kDouble, 4)};
  in[2][0] = 0;
  in[3][1] = -kink * in[2][1][0];
  for (Tensor& x : in) x = x.to(type);
  return in;
}

FireNetwork network_of(const std::vector<Tensor>& in) { return {in[0], in[1], in[2], in[3], in[4], in[5]}; }

template <class S>
std::vector<double> reference(const std::vector<Tensor>& in, int64_t first, int64_t rows, int64_t keys) {
  const auto convert = [](const Tensor& tensor) {
    const std::vector<double> wide = values(tensor);
    return std::vector<S>(wide.begin(), wide.end());
  };
  const ref::FireNetwork<S> net{static_cast<S>(in[0].item<double>()),
                                static_cast<S>(in[1].item<double>()),
                                convert(in[2]),
                                convert(in[3]),
                                convert(in[4]),
                                convert(in[5])};
  std::vector<double> out(static_cast<size_t>(kHeads * rows * keys));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < keys; ++j) {
      const std::vector<S> bias =
          ref::fire<S>(net, static_cast<S>(std::max<int64_t>(first + r - j, 0)), static_cast<S>(first + r));
      for (int64_t h = 0; h < kHeads; ++h) out[(h * rows + r) * keys + j] = bias[h];
    }
  }
  return out;
}

TEST(Fire, HasTheSpecificationsValues) {
  // r of specs/cable.md section 2 with c = 0.1 and L = 512, through a network that hands it on.
  const auto one = [](double x) { return at::full({1}, x, at::kDouble); };
  const FireNetwork hands_on{at::full({}, 0.1, at::kDouble),
                             at::full({}, 512.0, at::kDouble),
                             one(1).unsqueeze(1),
                             one(0),
                             one(1).unsqueeze(1),
                             one(0)};
  const double wanted[][3] = {{1, 10, .024098}, {100, 300, .606282}, {1000, 1023, .995145}, {1000, 8191, .687856}};
  for (const auto& [distance, position, r] : wanted)
    EXPECT_NEAR(fire_bias(hands_on, one(distance).unsqueeze(1), one(position)).item<double>(), r, 1e-6);
}

TEST(Fire, IsTheDefinition) {
  const MemoryOfNaN fill;
  const std::vector<Tensor> in = some_weights(at::kFloat);
  for (const auto& [first, rows, keys] :
       std::vector<std::array<int64_t, 3>>{{0, 1, 1}, {0, 7, 7}, {0, 40, 45}, {33, 1, 34}, {90, 70, 160}, {0, 0, 3}}) {
    SCOPED_TRACE(str(rows, " queries from ", first, " on, ", keys, " keys"));
    const auto wanted = reference<double>(in, first, rows, keys), plain = reference<float>(in, first, rows, keys);
    for_each_target([&] { expect_as_good(fire_bias(network_of(in), first, rows, keys), wanted, plain); });
  }
}

TEST(Fire, GradientsMatchCentralDifferences) {
  expect_gradients([](const auto& in) { return fire_bias(network_of(in), 5, 14, 20); }, some_weights(at::kDouble, 0.3),
                   1e-6);
}

// The kernel's gradients are those of the composition in double, which central differences prove.
TEST(Fire, TheKernelsGradientsAreTheCompositions) {
  const auto gradients = [](at::ScalarType type) {
    std::vector<Tensor> in = some_weights(at::kFloat);
    for (Tensor& x : in) x = x.to(type).requires_grad_(true);
    fire_bias(network_of(in), 30, 50, 83).backward(randn({kHeads, 50, 83}, at::kFloat, 7).to(type));
    std::vector<Tensor> found;
    for (const Tensor& x : in) found.push_back(x.grad());
    return found;
  };
  const std::vector<Tensor> wanted = gradients(at::kDouble);
  for_each_target([&] {
    const std::vector<Tensor> found = gradients(at::kFloat);
    for (size_t n = 0; n < found.size(); ++n) {
      SCOPED_TRACE(n);
      expect_near(found[n], values(wanted[n]), 3e-5);
    }
  });
}

TEST(Fire, SameBitsOnAnyThreadCount) {
  expect_same_bits_on_any_thread_count([] {
    std::vector<Tensor> in = some_weights(at::kFloat), found;
    for (Tensor& x : in) x.requires_grad_(true);
    found.push_back(fire_bias(network_of(in), 0, 300, 300));
    found[0].backward(randn({kHeads, 300, 300}, at::kFloat, 7));
    for (const Tensor& x : in) found.push_back(x.grad());
    return found;
  });
}

TEST(Fire, RefusesQueriesBehindTheKeys) {
  EXPECT_THROW(fire_bias(network_of(some_weights(at::kFloat)), 3, 2, 4), Error);
}

}  // namespace
}  // namespace longhaul
