// CLEX against figures that were computed twice without this code (specs/clex.md 1.9), and what of its training is not random.
#include <gtest/gtest.h>

#include <ATen/ops/tensor.h>

#include <cmath>

#include "pos/rope_clex.h"
#include "pos/rope_config.h"
#include "pos/rotary_encoding.h"
#include "support.h"

namespace longhaul {
namespace {

constexpr int64_t kDim = 8, kHalf = 4;

// Up[i][j] = 0.05 sin(0.7 i + 0.3 j + 1), Down[i][j] = 0.02 cos(0.5 i - 0.9 j).
ClexWeights weights(int64_t hidden) {
  ClexWeights w;
  for (int64_t i = 0; i < kHalf; ++i)
    for (int64_t j = 0; j < hidden; ++j)
      w.up.push_back(0.05 * std::sin(0.7 * static_cast<double>(i) + 0.3 * static_cast<double>(j) + 1));
  for (int64_t i = 0; i < hidden; ++i)
    for (int64_t j = 0; j < kHalf; ++j)
      w.down.push_back(0.02 * std::cos(0.5 * static_cast<double>(i) - 0.9 * static_cast<double>(j)));
  return w;
}

std::vector<double> plain(double theta) {
  std::vector<double> frequencies;
  for (int64_t m = 0; m < kHalf; ++m) frequencies.push_back(std::pow(theta, -2.0 * static_cast<double>(m) / kDim));
  return frequencies;
}

using Rows = std::vector<std::vector<double>>;

void expect_frequencies(const ClexOde& ode, const ClexWeights& w, double theta, const std::vector<double>& times,
                        const Rows& wanted) {
  for (auto [arithmetic, tolerance] : {std::pair{ClexArithmetic::f64, 1e-9}, std::pair{ClexArithmetic::f32, 1e-5}}) {
    const Rows found = clex_frequencies(ode, w, plain(theta), times, arithmetic);
    ASSERT_EQ(found.size(), times.size());
    for (size_t t = 0; t < times.size(); ++t)
      for (size_t m = 0; m < wanted[t].size(); ++m)
        EXPECT_NEAR(found[t][m] / wanted[t][m], 1, tolerance) << "t " << times[t] << " pair " << m;
  }
}

const ClexOde kTanh{kDim, kDim, ClexActivation::tanh, 0.01, 1e4};

TEST(Clex, FrequenciesOfTheOde) {
  expect_frequencies(kTanh, weights(kDim), 1e4, {2, 3, 4},
                     {{0.9371429785, 0.06806903596, 0.005013662998, 3.577338653e-4},
                      {0.8755059640, 0.05631964725, 0.003727641619, 2.311501031e-4},
                      {0.8166133231, 0.04936243146, 0.003116187347, 1.781136779e-4}});
  ClexOde silu = kTanh;
  silu.activation = ClexActivation::silu;
  expect_frequencies(silu, weights(kDim), 1e4, {2, 3, 4},
                     {{0.9396006887, 0.06791769359, 0.004986730336, 3.561381655e-4},
                      {0.8766036049, 0.05597346753, 0.003694545516, 2.300152614e-4},
                      {0.8146294119, 0.04881899865, 0.003081079722, 1.775773334e-4}});
  ClexOde wide = kTanh;
  wide.hidden = 2 * kDim;
  expect_frequencies(wide, weights(2 * kDim), 1e6, {2, 3, 4},
                     {{0.9058182750, 0.01987498863, 4.697333627e-4, 1.129834944e-5},
                      {0.8181938296, 0.01514411605, 3.260577217e-4, 7.278295787e-6},
                      {0.7380753075, 0.01220733849, 2.539766813e-4, 5.585190037e-6}});
  ClexOde coarse = kTanh;
  coarse.step = 0.1;
  expect_frequencies(coarse, weights(kDim), 1e4, {4}, {{0.8166133156, 0.04936240753, 0.003116184357, 1.781134214e-4}});
}

TEST(Clex, WithoutWeightsItIsNtkWithAlphaTwoTMinusOne) {
  ClexWeights none = weights(kDim);
  std::fill(none.down.begin(), none.down.end(), 0);
  expect_frequencies(
      kTanh, none, 1e4, {2, 4},
      {{1, 0.06933612743, 0.004807498567, 3.333333333e-4}, {1, 0.05227579585, 0.002732758832, 1.428571428e-4}});
  ClexOde large{128, 128, ClexActivation::silu, 0.01, 1e4};
  std::vector<double> frequencies;
  for (int m = 0; m < 64; ++m) frequencies.push_back(std::pow(1e4, -2.0 * m / 128));
  const Rows found = clex_frequencies(large, {std::vector<double>(64 * 128, 0.1), std::vector<double>(64 * 128, 0)},
                                      frequencies, {16}, ClexArithmetic::f64);
  EXPECT_NEAR(found[0][63] / 3.725103176e-6, 1, 1e-9);
}

// The end is the last point of the grid, whatever the step; times between points are interpolated, by lines.
TEST(Clex, StepsNeedNotMeetTheTimes) {
  ClexOde odd = kTanh, fine = kTanh;
  odd.step = 0.013, fine.step = 0.001;
  const Rows found = clex_frequencies(odd, weights(kDim), plain(1e4), {2, 3, 4}, ClexArithmetic::f64);
  const Rows wanted = clex_frequencies(fine, weights(kDim), plain(1e4), {2, 3, 4}, ClexArithmetic::f64);
  for (size_t t = 0; t < 3; ++t)
    for (size_t m = 0; m < kHalf; ++m) EXPECT_NEAR(found[t][m] / wanted[t][m], 1, t == 2 ? 1e-8 : 1e-4);
}

struct Slope {
  double loss, up00, up13, up37, down00, down31, down73;
};

TEST(Clex, GradientsOfTheTable) {
  const Slope tanh{-56.15208858, 0.0034867551, -0.96655791, 0.039207792, -1.1602315, 1.9760151, 7.0063339};
  const Slope silu{-56.20960816, 0.00095973292, -0.9687397, 0.1791641, -0.45360297, 1.3687122, 8.7299289};
  for (const auto& [activation, wanted] :
       {std::pair{ClexActivation::tanh, tanh}, std::pair{ClexActivation::silu, silu}}) {
    ClexOde ode = kTanh;
    ode.activation = activation;
    const std::vector<double> theta = clex_frequencies(ode, weights(kDim), plain(1e4), {3}, ClexArithmetic::f64)[0];
    double loss = 0;  // sum (m + 1) z_m
    for (size_t m = 0; m < theta.size(); ++m) loss += static_cast<double>(m + 1) * std::log(theta[m]);
    EXPECT_NEAR(loss, wanted.loss, 1e-7);
    const ClexWeights found = clex_gradient(ode, weights(kDim), plain(1e4), 3, {1, 2, 3, 4});
    const auto up = [&](size_t i, size_t j) { return found.up[i * kDim + j]; };
    const auto down = [&](size_t i, size_t j) { return found.down[i * kHalf + j]; };
    EXPECT_NEAR(up(0, 0) / wanted.up00, 1, 1e-5);
    EXPECT_NEAR(up(1, 3) / wanted.up13, 1, 1e-6);
    EXPECT_NEAR(up(3, 7) / wanted.up37, 1, 1e-6);
    EXPECT_NEAR(down(0, 0) / wanted.down00, 1, 1e-6);
    EXPECT_NEAR(down(3, 1) / wanted.down31, 1, 1e-6);
    EXPECT_NEAR(down(7, 3) / wanted.down73, 1, 1e-6);
  }
}

std::shared_ptr<ClexRope> policy(int64_t trained, int64_t max_factor) {
  auto rope = std::make_shared<ClexRope>(ClexSettings{kTanh, 1e4, trained, max_factor});
  const ClexWeights w = weights(kDim);
  rope->set_weights(at::tensor(w.up).view({kHalf, kDim}), at::tensor(w.down).view({kDim, kHalf}), {});
  return rope;
}

TEST(Clex, FactorOfALength) {
  const auto rope = policy(4096, 16);
  EXPECT_EQ(rope->longest(), 65536);
  for (auto [length, t] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {4096, 1}, {4097, 2}, {8192, 2}, {8193, 3}, {65536, 16}})
    EXPECT_EQ(rope->factor_of(length), t) << length;
  const std::vector<double> second = rope->frequencies(4097);
  EXPECT_NEAR(second[1] / 0.06806903596, 1, 1e-6);  // the first ones are f32
  EXPECT_EQ(second, rope->frequencies(8192));
  EXPECT_NEAR(rope->frequencies(4096)[1], 0.1, 1e-8);
}

TEST(Clex, TheTableIsThatOfTheWeightsAsTheyAre) {
  auto rope = std::make_shared<ClexRope>(ClexSettings{kTanh, 1e4, 16, 4});
  const ClexWeights w = weights(kDim);
  Tensor up = at::tensor(w.up).view({kHalf, kDim}).clone();
  rope->set_weights(up, at::tensor(w.down).view({kDim, kHalf}), {});
  const std::vector<double> before = rope->frequencies(64);
  up.mul_(1.5);
  EXPECT_NE(rope->frequencies(64), before);
}

TEST(Clex, PositionsOfTraining) {
  const auto rope = policy(4, 3);
  const std::vector<double> drawn = rope->drawn_positions(8, 3, {.training = true, .seed = 5});
  ASSERT_EQ(drawn.size(), 8u);
  EXPECT_EQ(drawn.front(), 0);
  EXPECT_EQ(drawn.back(), 11);
  for (size_t i = 1; i + 1 < drawn.size(); ++i) {
    EXPECT_GT(drawn[i], drawn[i - 1]);
    const double r = drawn[i] * 2 - 1;  // of candidates 0 .. 21
    EXPECT_EQ(r, std::floor(r));
    EXPECT_LE(r, 21);
  }
  EXPECT_EQ(policy(4096, 16)->drawn_positions(16384, 16, {}).back(), 65535);
  EXPECT_EQ(rope->drawn_positions(3, 1, {}), (std::vector<double>{0, 1, 2}));
}

TEST(Clex, ConfigKeysAndWhatIsMissing) {
  const auto rope_of = [](const std::string& scaling) {
    const Json json = parse_json(R"({"log_scale": true, "rope_scaling": )" + scaling + "}", "config.json");
    JsonReader config(json, "config.json");
    Rope rope = read_rope(config, {}, kDim, 64);
    config.finish();
    return rope;
  };
  const Rope rope = rope_of(R"({"type": "clex", "max_factor": 16, "param_factor": 2, "factor": 1})");
  const auto& settings = dynamic_cast<const ClexRope&>(*rope.policy).settings();
  EXPECT_EQ(settings.ode.hidden, 2 * kDim);
  EXPECT_EQ(settings.ode.activation, ClexActivation::silu);
  EXPECT_EQ(settings.ode.step, 0.01);
  EXPECT_EQ(settings.ode.base, 10000);
  EXPECT_TRUE(rope.declare);
  EXPECT_EQ(rope.policy->limit(), "the ODE ends at 1024 tokens (max_factor x trained length)");
  EXPECT_EQ(error_of([&] { rope_of(R"({"type": "clex", "act": "relu"})"); }),
            R"(config.json: rope_scaling.act: wanted one of silu, tanh, found "relu")");
  EXPECT_EQ(error_of([&] { rope_of(R"({"type": "clex", "max_facter": 2})"); }),
            "config.json: unknown key 'rope_scaling.max_facter' (did you mean 'max_factor'?)");
  EXPECT_EQ(error_of([&] { rope_of(R"({"type": "clex", "max_factor": 65537})"); }),
            "config.json: rope_scaling.max_factor: wanted an integer up to 65536, found 65537");
  EXPECT_EQ(error_of([&] { rope_of(R"({"type": "clex", "param_factor": 65537})"); }),
            "config.json: rope_scaling.param_factor: wanted an integer up to 65536, found 65537");
  EXPECT_EQ(
      error_of([&] { rope_of(R"({"type": "clex", "max_factor": 20000})"); }),
      "config.json: rope_scaling.max_factor: wanted at most 1048576 steps of time_dt up to max_factor, found 20000");
  EXPECT_EQ(error_of([&] { rope_of(R"({"type": "clex", "time_dt": 2})"); }),
            "config.json: rope_scaling.time_dt: wanted a number up to 1, found 2");
  EXPECT_TRUE(contains(error_of([&] { rope.policy->frequencies(100); }), "before the model has them"));
}

}  // namespace
}  // namespace longhaul
