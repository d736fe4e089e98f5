#include "ops/adamw/adamw.h"

#include "base/error.h"
#include "ops/adamw/adamw_ref.h"
#include "testing.h"

namespace longhaul {
namespace {

using namespace testing;

struct State {
  std::vector<Tensor> parameters, first, second;
};

State fresh(at::ScalarType type) {
  State state;
  for (int64_t size : {1, 37, 1000}) {
    state.parameters.push_back(randn({size}, type, size));
    state.first.push_back(at::zeros_like(state.parameters.back()));
    state.second.push_back(at::zeros_like(state.parameters.back()));
  }
  return state;
}

template <class S>
std::vector<double> reference(int64_t size, int64_t steps, const AdamWOptions& options, double scale) {
  const std::vector<double> start = values(randn({size}, at::kFloat, size));
  std::vector<S> parameter(start.begin(), start.end()), first(size), second(size);
  for (int64_t step = 1; step <= steps; ++step) {
    const std::vector<double> wide = values(randn({size}, at::kFloat, 1000 * step + size));
    const std::vector<S> gradient(wide.begin(), wide.end());
    ref::adamw_step<S>(size, parameter.data(), gradient.data(), first.data(), second.data(), step, options, scale);
  }
  return {parameter.begin(), parameter.end()};
}

TEST(AdamW, IsTheDefinitionOverSteps) {
  const AdamWOptions options{1e-2, 0.9, 0.95, 1e-8, 0.1};
  for (double scale : {1.0, 0.37}) {
    State state = fresh(at::kFloat);
    for (int64_t step = 1; step <= 8; ++step) {
      std::vector<Tensor> gradients;
      for (const Tensor& p : state.parameters)
        gradients.push_back(randn({p.size(0)}, at::kFloat, 1000 * step + p.size(0)));
      adamw_step(state.parameters, gradients, state.first, state.second, step, options, scale);
    }
    for (const Tensor& p : state.parameters) {
      expect_as_good(p, reference<double>(p.size(0), 8, options, scale),
                     reference<float>(p.size(0), 8, options, scale));
    }
  }
}

TEST(AdamW, StepsInDouble) {
  const AdamWOptions options{1e-2, 0.9, 0.95, 1e-8, 0.1};
  Tensor p = randn({37}, at::kFloat, 37).to(at::kDouble), first = at::zeros_like(p), second = at::zeros_like(p);
  for (int64_t step = 1; step <= 8; ++step) {
    adamw_step({p}, {randn({37}, at::kFloat, 1000 * step + 37).to(at::kDouble)}, {first}, {second}, step, options, 0.5);
  }
  expect_near(p, reference<double>(37, 8, options, 0.5), 1e-12);
}

TEST(AdamW, LeavesAParameterWithoutGradientAlone) {
  State state = fresh(at::kFloat);
  const std::vector<Tensor> gradients{at::zeros_like(state.parameters[0]) + 1, Tensor(), state.parameters[2].clone()};
  adamw_step(state.parameters, gradients, state.first, state.second, 1, {});
  EXPECT_TRUE(state.parameters[1].equal(randn({37}, at::kFloat, 37)));
  EXPECT_FALSE(state.parameters[0].equal(randn({1}, at::kFloat, 1)));
}

TEST(AdamW, GlobalNormIsExactAndTheSameOnAnyThreadCount) {
  const std::vector<Tensor> gradients{randn({200001}, at::kFloat, 1) * 1e-3, Tensor(), randn({7, 11}, at::kFloat, 2),
                                      randn({40, 30}, at::kFloat, 3).t()};
  double wanted = 0;
  for (const Tensor& gradient : gradients) {
    if (!gradient.defined()) continue;
    for (double value : values(gradient)) wanted += value * value;
  }
  expect_same_bits_on_any_thread_count([&] {
    const double norm = global_norm(gradients);
    EXPECT_NEAR(norm, std::sqrt(wanted), 1e-12 * norm);
    return std::vector<Tensor>{at::zeros_like(randn({1}, at::kDouble, 1)) + norm};
  });
  EXPECT_EQ(global_norm({}), 0);
  const MemoryMeter meter;
  global_norm(gradients);
  EXPECT_LE(meter.peak(), 1200 * 4) << "only the transposed gradient may be copied";
}

TEST(AdamW, SaysWhatIsWrong) {
  const std::vector<Tensor> one{randn({3}, at::kFloat, 1)};
  EXPECT_THROW(adamw_step(one, {}, one, one, 1, {}), Error);
  EXPECT_THROW(adamw_step(one, one, one, one, 0, {}), Error);
  EXPECT_THROW(adamw_step(one, one, one, one, 1, {}, 0), Error);
}

}  // namespace
}  // namespace longhaul
