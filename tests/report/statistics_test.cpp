// Estimates against values worked out by hand.
#include "report/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace longhaul {
namespace {

TEST(Statistics, MeanHasTheStandardErrorOfItsSample) {
  Estimate estimate = mean_estimate({1, 2, 3, 4});  // s^2 = 5/3, error = sqrt(5/3 / 4)
  EXPECT_DOUBLE_EQ(estimate.mean, 2.5);
  EXPECT_NEAR(estimate.error, 0.6454972243679028, 1e-15);
  EXPECT_EQ(estimate.count, 4);
  EXPECT_NEAR(estimate.t(), 3.872983346207417, 1e-14);  // 2.5 / error = sqrt(15)
}

TEST(Statistics, RatioWeighsUnitsByTheirTokens) {
  // Totals 2, 9, 4 over 1, 3, 2 tokens: 15/6 = 2.5; residuals -0.5, 1.5, -1; sum of squares 3.5; error sqrt(3/2 * 3.5)
  // / 6.
  Estimate estimate = ratio_estimate({2, 9, 4}, {1, 3, 2});
  EXPECT_DOUBLE_EQ(estimate.mean, 2.5);
  EXPECT_NEAR(estimate.error, std::sqrt(5.25) / 6, 1e-15);
}

TEST(Statistics, OneUnitHasNoError) {
  EXPECT_TRUE(std::isnan(mean_estimate({3}).error));
  EXPECT_TRUE(std::isnan(mean_estimate({}).mean));
  EXPECT_THROW(ratio_estimate({1, 2}, {1}), Error);
}

TEST(Statistics, ExponentialScalesTheErrorToFirstOrder) {
  Estimate estimate = exponential({std::log(5.0), 0.01, 9});
  EXPECT_NEAR(estimate.mean, 5, 1e-12);
  EXPECT_NEAR(estimate.error, 0.05, 1e-12);
  EXPECT_EQ(scaled({2, 0.5, 3}, -2).mean, -4);
  EXPECT_EQ(scaled({2, 0.5, 3}, -2).error, 1);
}

}  // namespace
}  // namespace longhaul
