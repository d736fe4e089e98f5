// Means with their standard errors, as the tables and plots state them.
#pragma once
#include <cstdint>
#include <limits>
#include <vector>

namespace longhaul {

// A mean over `count` independent units (windows, runs) and its standard error; NaN error below two units.
struct Estimate {
  double mean = std::numeric_limits<double>::quiet_NaN();
  double error = std::numeric_limits<double>::quiet_NaN();
  int64_t count = 0;
  double t() const { return mean / error; }
};

// Ratio estimate sum(totals) / sum(weights) over units of unequal weight (Cochran, Sampling Techniques, 6.4): its
// variance is
// k / (k - 1) sum (total_i - mean weight_i)^2 / (sum weights)^2. With equal weights it is the mean with s / sqrt(k).
// Units of windows: totals are summed losses or summed differences of losses, weights their numbers of tokens.
Estimate ratio_estimate(const std::vector<double>& totals, const std::vector<double>& weights);

Estimate mean_estimate(const std::vector<double>& values);

// exp of a mean, with its error to first order (delta method): exp(m) e.
Estimate exponential(const Estimate& estimate);
Estimate scaled(const Estimate& estimate, double factor);

}  // namespace longhaul
