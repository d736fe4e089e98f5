#include "train/schedule.h"

#include <cmath>
#include <numbers>

#include "base/error.h"

namespace longhaul {

double Schedule::lr(int64_t t) const {
  if (t < warmup) return max_lr * static_cast<double>(t + 1) / static_cast<double>(warmup);
  if (t > max_steps) return min_lr;
  double r = static_cast<double>(t - warmup) / static_cast<double>(max_steps - warmup);
  return min_lr + 0.5 * (1 + std::cos(std::numbers::pi * r)) * (max_lr - min_lr);
}

void Schedule::validate() const {
  check(max_lr > 0 && std::isfinite(max_lr), "learning rate: wanted a number > 0, got ", max_lr);
  check(min_lr >= 0 && min_lr <= max_lr, "smallest learning rate: wanted 0 .. ", max_lr, " (the largest), got ",
        min_lr);
  check(max_steps > 0, "steps: wanted at least 1, got ", max_steps);
  check(warmup >= 0 && warmup < max_steps, "warm-up: wanted 0 .. ", max_steps - 1, " steps (fewer than the ", max_steps,
        " of the run), got ", warmup);
}

Json Schedule::json() const {
  return {{"max_lr", max_lr}, {"min_lr", min_lr}, {"warmup", warmup}, {"max_steps", max_steps}};
}

}  // namespace longhaul
