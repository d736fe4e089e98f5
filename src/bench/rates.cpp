#include "bench/rates.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sum.h>

#include <algorithm>

#include "bench/bench.h"
#include "ops/tensor.h"

namespace longhaul {

namespace {

constexpr int64_t kSide = 1024, kElements = int64_t{1} << 24, kRepeats = 4;
constexpr double kBudget = 1;  // seconds

double fastest(const std::function<void()>& work) {
  const Measurement measured = measure(work, kRepeats, kBudget);
  return *std::min_element(measured.seconds.begin(), measured.seconds.end());
}

}  // namespace

MachineRates measure_rates() {
  const Tensor a = at::ones({kSide, kSide}), many = at::ones({kElements});
  Tensor c = at::empty({kSide, kSide}), total;
  MachineRates rates;
  rates.flops = 2.0 * kSide * kSide * kSide / fastest([&] { at::mm_out(c, a, a); });
  rates.bytes = 4.0 * kElements / fastest([&] { total = at::sum(many); });
  return rates;
}

}  // namespace longhaul
