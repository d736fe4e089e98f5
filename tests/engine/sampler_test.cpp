// The sampler against its definitions on a handful of tokens.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <ATen/ops/tensor.h>

#include <cmath>
#include <map>

#include "../support.h"

namespace longhaul {
namespace {

Tensor logits_of(const std::vector<double>& values) { return at::tensor(values, at::TensorOptions(at::kDouble)); }
Tensor log_of(std::vector<double> probabilities) {
  for (double& p : probabilities) p = std::log(p);
  return logits_of(probabilities);
}

using Distribution = std::map<int64_t, double>;

Distribution distribution(const SamplerOptions& options, const Tensor& logits, const std::vector<int64_t>& text = {}) {
  Sampler sampler(options, 1, 0);
  for (int64_t token : text) sampler.see(token);
  Distribution found;
  for (const Choice& choice : sampler.choices(logits)) found[choice.token] = choice.probability;
  return found;
}

void expect_near(const Distribution& found, const Distribution& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (const auto& [token, probability] : wanted) {
    ASSERT_TRUE(found.count(token)) << token;
    EXPECT_NEAR(found.at(token), probability, 1e-12) << token;
  }
}

TEST(Sampler, TemperatureDividesLogits) {
  const double a = std::exp(1 / 0.5), b = std::exp(-2 / 0.5), c = std::exp(0.25 / 0.5), all = a + b + c;
  expect_near(distribution({.temperature = 0.5}, logits_of({1, -2, 0.25})), {{0, a / all}, {1, b / all}, {2, c / all}});
  expect_near(distribution({.temperature = 0}, logits_of({1, -2, 3, 3})), {{2, 1}});  // the first of equals
}

// Hotter or colder than a double can divide by: the likeliest token, and every token alike.
TEST(Sampler, ExtremeTemperaturesHaveTheirLimits) {
  const Tensor logits = logits_of({3, 5, 5, -INFINITY});
  expect_near(distribution({.temperature = 1e-310}, logits), {{1, 0.5}, {2, 0.5}});
  expect_near(distribution({.temperature = 1e-310, .top_p = 0.5, .min_p = 0.5}, logits), {{2, 1}});
  expect_near(distribution({.temperature = 1e308}, logits), {{0, 1. / 3}, {1, 1. / 3}, {2, 1. / 3}});
}

TEST(Sampler, TopKKeepsTies) {
  const Tensor logits = log_of({0.1, 0.3, 0.2, 0.2, 0.2});
  expect_near(distribution({.top_k = 1}, logits), {{1, 1}});
  expect_near(distribution({.top_k = 2}, logits), {{1, 3. / 9}, {2, 2. / 9}, {3, 2. / 9}, {4, 2. / 9}});
  expect_near(distribution({.top_k = 9}, logits), {{0, 0.1}, {1, 0.3}, {2, 0.2}, {3, 0.2}, {4, 0.2}});
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  const Tensor logits = log_of({0.1, 0.5, 0.25, 0.15});
  expect_near(distribution({.top_p = 0.45}, logits), {{1, 1}});
  expect_near(distribution({.top_p = 0.55}, logits), {{1, 2. / 3}, {2, 1. / 3}});
  expect_near(distribution({.top_p = 0.8}, logits), {{1, 0.5 / 0.9}, {2, 0.25 / 0.9}, {3, 0.15 / 0.9}});
  expect_near(distribution({.top_p = 0}, logits), {{1, 1}});  // one is always left
}

TEST(Sampler, MinPIsAShareOfTheLikeliest) {
  const Tensor logits = log_of({0.1, 0.5, 0.25, 0.15});
  expect_near(distribution({.min_p = 0.4}, logits), {{1, 2. / 3}, {2, 1. / 3}});
  expect_near(distribution({.min_p = 1}, logits), {{1, 1}});
}

TEST(Sampler, RepetitionPenaltyMovesEachSeenTokenOnceTowardsUnlikely) {
  const Distribution found = distribution({.repetition_penalty = 2}, logits_of({1, -1, 1, -1}), {0, 1, 0});
  const double a = std::exp(0.5), b = std::exp(-2.0), c = std::exp(1.0), d = std::exp(-1.0), all = a + b + c + d;
  expect_near(found, {{0, a / all}, {1, b / all}, {2, c / all}, {3, d / all}});
  expect_near(distribution({.temperature = 0, .repetition_penalty = 2}, logits_of({1.5, 1, 0}), {0}), {{1, 1}});
}

// OpenAI's definition: logit[j] -= count[j] * frequency + (count[j] > 0) * presence, of what was drawn.
TEST(Sampler, PresenceAndFrequencyPenaltiesCountWhatWasDrawn) {
  Sampler sampler({.temperature = 0, .presence_penalty = 0.5, .frequency_penalty = 0.25}, 1, 0);
  sampler.see(0);  // of the prompt: does not count
  // 3, 2.9, 0: the first token costs 0.75 once, 1.0 twice, 1.25 three times; so does the second.
  std::vector<int64_t> drawn;
  for (int i = 0; i < 4; ++i) drawn.push_back(sampler.next(logits_of({3, 2.9, 0})));
  EXPECT_EQ(drawn, (std::vector<int64_t>{0, 1, 0, 1}));
  Sampler warm({.presence_penalty = -1, .frequency_penalty = 2}, 1, 0);
  warm.next(logits_of({100, 0, -INFINITY}));
  warm.next(logits_of({100, 0, -INFINITY}));
  const double a = std::exp(1 - (2 * 2 - 1)), b = std::exp(0.5), all = a + b;
  Distribution found;
  for (const Choice& choice : warm.choices(logits_of({1, 0.5, -INFINITY}))) found[choice.token] = choice.probability;
  expect_near(found, {{0, a / all}, {1, b / all}});
}

TEST(Sampler, ABiasIsAddedBeforeAllElse) {
  const double a = std::exp(0.5), b = std::exp(-1.0), all = a + b;
  expect_near(distribution({.temperature = 2, .bias = {{0, 2}, {1, -3}}}, logits_of({-1, 1, -INFINITY})),
              {{0, a / all}, {1, b / all}});
  expect_near(distribution({.temperature = 0, .bias = {{2, 5}}}, logits_of({3, 1, -1})), {{2, 1}});
  expect_near(distribution({.temperature = 0, .repetition_penalty = 2, .bias = {{0, 5}}}, logits_of({-1, 3, 0}), {0}),
              {{1, 1}});  // (-1 + 5) / 2, not -2 + 5
}

// Penalty, temperature, top-k, top-p, min-p: each works on what the one before left, renormalised.
TEST(Sampler, OrderIsThatOfHuggingFace) {
  // Temperature 2 takes the square root of {.64, .16, .16, .04}: {.8, .4, .4, .2} / 1.8.
  const Tensor logits = log_of({0.64, 0.16, 0.16, 0.04});
  // Of the three that top-k leaves, the first holds exactly half; top-p 0.6 then takes one more, the higher id of
  // equals.
  expect_near(distribution({.temperature = 2, .top_k = 2, .top_p = 0.6}, logits), {{0, 2. / 3}, {2, 1. / 3}});
  // Without top-k the first holds .8 / 1.8, and two more are needed for 0.7.
  expect_near(distribution({.temperature = 2, .top_p = 0.7}, logits), {{0, 0.5}, {1, 0.25}, {2, 0.25}});
  // min-p sees the heated logits: .4 / .8 is kept at 0.3, .16 / .64 would not be.
  expect_near(distribution({.temperature = 2, .min_p = 0.3}, logits), {{0, 0.5}, {1, 0.25}, {2, 0.25}});
}

TEST(Sampler, DrawsFollowTheDistribution) {
  const std::vector<double> wanted = {0.1, 0.5, 0.25, 0.15};
  const Tensor logits = log_of(wanted);
  Sampler sampler({}, 7, 0);
  std::vector<double> counts(4);
  const int draws = 20000;
  for (int n = 0; n < draws; ++n) ++counts[static_cast<size_t>(sampler.next(logits))];
  for (size_t n = 0; n < 4; ++n) {
    EXPECT_NEAR(counts[n] / draws, wanted[n], 5 * std::sqrt(wanted[n] * (1 - wanted[n]) / draws)) << n;
  }
}

TEST(Sampler, DrawsDependOnSeedAndIndexAlone) {
  const Tensor logits = logits_of(std::vector<double>(1000, 0.0));
  auto draws = [&](uint64_t seed, uint64_t index) {
    Sampler sampler({}, seed, index);
    std::vector<int64_t> tokens;
    for (int n = 0; n < 8; ++n) tokens.push_back(sampler.next(logits));
    return tokens;
  };
  EXPECT_EQ(draws(1, 2), draws(1, 2));
  EXPECT_NE(draws(1, 2), draws(1, 3));
  EXPECT_NE(draws(1, 2), draws(2, 2));
}

TEST(Sampler, MistakesAreErrors) {
  auto refuses = [](const SamplerOptions& options, const char* flag) {
    EXPECT_TRUE(contains(error_of([&] { Sampler(options, 0, 0); }), flag)) << flag;
  };
  refuses({.temperature = -1}, "--temperature");
  refuses({.temperature = NAN}, "--temperature");
  refuses({.top_k = -1}, "--top-k");
  refuses({.top_p = 1.5}, "--top-p");
  refuses({.min_p = -0.1}, "--min-p");
  refuses({.repetition_penalty = 0}, "--repetition-penalty");
  refuses({.repetition_penalty = 1e-320}, "--repetition-penalty: wanted a number in [0.001, 1000], got");
  refuses({.repetition_penalty = 1e308}, "--repetition-penalty");
  refuses({.presence_penalty = 2.1}, "--presence-penalty: wanted a number in [-2, 2], got 2.1");
  refuses({.frequency_penalty = NAN}, "--frequency-penalty");
  refuses({.bias = {{-1, 0}}}, "--logit-bias");
  refuses({.bias = {{1, INFINITY}}}, "--logit-bias: wanted a number in [-1e+30, 1e+30] for 1, got inf");
  refuses({.bias = {{1, 1e308}}}, "got 1e+308");
  const SamplerOptions outside{.bias = {{7, 1}}};
  EXPECT_EQ(error_of([&] { outside.validate(7); }), "--logit-bias: wanted an id in [0, 7), got 7");
  EXPECT_TRUE(contains(error_of([&] { distribution(outside, logits_of({0, 1})); }), "token 7 is not among the 2"));
  expect_near(distribution({.repetition_penalty = 1000}, logits_of({3e38, -3e38, 0}), {0, 1, 2}), {{0, 1}});
  Sampler favoured({.repetition_penalty = 0.001, .bias = {{1, 1e30}}}, 0, 0);
  favoured.see(1);
  EXPECT_EQ(favoured.next(logits_of({3, 2})), 1);
  Sampler sampler({}, 0, 0);
  EXPECT_THROW(sampler.next(logits_of({1, NAN})), Error);
  EXPECT_THROW(sampler.next(logits_of({-INFINITY, -INFINITY})), Error);
  EXPECT_EQ(sampler.next(logits_of({-INFINITY, 3})), 1);
}

}  // namespace
}  // namespace longhaul
