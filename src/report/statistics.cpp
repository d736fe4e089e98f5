#include "report/statistics.h"

#include <cmath>

#include "base/error.h"

namespace longhaul {

Estimate ratio_estimate(const std::vector<double>& totals, const std::vector<double>& weights) {
  check(totals.size() == weights.size(), "estimate: wanted a weight for each of ", totals.size(), " units, found ",
        weights.size());
  Estimate estimate;
  estimate.count = static_cast<int64_t>(totals.size());
  if (totals.empty()) return estimate;
  double total = 0, weight = 0, squares = 0;
  for (size_t i = 0; i < totals.size(); ++i) {
    total += totals[i];
    weight += weights[i];
  }
  estimate.mean = total / weight;
  if (totals.size() < 2) return estimate;
  for (size_t i = 0; i < totals.size(); ++i) {
    double deviation = totals[i] - estimate.mean * weights[i];
    squares += deviation * deviation;
  }
  double units = static_cast<double>(totals.size());
  estimate.error = std::sqrt(units / (units - 1) * squares) / weight;
  return estimate;
}

Estimate mean_estimate(const std::vector<double>& values) {
  return ratio_estimate(values, std::vector<double>(values.size(), 1));
}

Estimate exponential(const Estimate& estimate) {
  double mean = std::exp(estimate.mean);
  return {mean, mean * estimate.error, estimate.count};
}

Estimate scaled(const Estimate& estimate, double factor) {
  return {estimate.mean * factor, estimate.error * std::abs(factor), estimate.count};
}

}  // namespace longhaul
