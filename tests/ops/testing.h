// What the ops' tests share: gradients by central differences, every instruction set, every number of threads, memory.
#pragma once
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <hwy/targets.h>

#include <functional>
#include <memory>

#include "ops/comparison.h"

namespace longhaul::testing {

// Compares autograd with central differences in double. `inputs` are double leaves; the function's output is weighted by fixed
// random numbers into a scalar.
inline void expect_gradients(const std::function<Tensor(const std::vector<Tensor>&)>& function,
                             std::vector<Tensor> inputs, double tolerance = 1e-7) {
  for (Tensor& input : inputs) input = input.detach().clone().set_requires_grad(true);
  const Tensor output = function(inputs);
  const Tensor weights = randn(output.sizes().vec(), at::kDouble, 99);
  (output.to(at::kDouble) * weights).sum().backward();
  const auto value = [&] {
    const at::NoGradGuard no_grad;
    return (function(inputs).to(at::kDouble) * weights).sum().item<double>();
  };
  for (size_t n = 0; n < inputs.size(); ++n) {
    ASSERT_TRUE(inputs[n].grad().defined()) << "input " << n << " has no gradient";
    const std::vector<double> got = values(inputs[n].grad());
    double* data = inputs[n].data_ptr<double>();
    ASSERT_TRUE(inputs[n].is_contiguous());
    for (int64_t i = 0; i < inputs[n].numel(); ++i) {
      const double kept = data[i], step = 1e-5;
      data[i] = kept + step;
      const double above = value();
      data[i] = kept - step;
      const double below = value();
      data[i] = kept;
      const double wanted = (above - below) / (2 * step);
      EXPECT_NEAR(got[i], wanted, tolerance * std::max(1.0, std::abs(wanted))) << "input " << n << ", element " << i;
    }
  }
}

// While it lives, at::empty gives memory filled with NaN: an output that is not written is seen.
struct MemoryOfNaN {
  MemoryOfNaN() {
    at::globalContext().setDeterministicAlgorithms(true, true);
    at::globalContext().setDeterministicFillUninitializedMemory(true);
  }
  ~MemoryOfNaN() { at::globalContext().setDeterministicAlgorithms(false, false); }
};

// Runs `body` with the kernels of every instruction set that this machine has.
inline void for_each_target(const std::function<void()>& body) {
  for (int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

// The numbers that `body` returns must be the same bits on 1, 2 and 5 threads.
inline void expect_same_bits_on_any_thread_count(const std::function<std::vector<Tensor>()>& body) {
  const int kept = at::get_num_threads();
  std::vector<std::vector<double>> first;
  for (int threads : {1, 2, 5}) {
    at::set_num_threads(threads);
    std::vector<std::vector<double>> found;
    for (const Tensor& tensor : body()) found.push_back(values(tensor));
    if (first.empty()) first = found;
    EXPECT_TRUE(found == first) << threads << " threads";
  }
  at::set_num_threads(kept);
}

// Bytes that ATen holds on this thread since the meter was made: now, and at most.
class MemoryMeter {
 public:
  MemoryMeter() : guard_(c10::DebugInfoKind::PROFILER_STATE, counter_) {}
  int64_t now() const { return counter_->now; }
  int64_t peak() const { return counter_->peak; }

 private:
  struct Counter : c10::MemoryReportingInfoBase {
    int64_t now = 0, peak = 0;
    void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device) override {
      now += size;
      peak = std::max(peak, now);
    }
    bool memoryProfilingEnabled() const override { return true; }
  };
  std::shared_ptr<Counter> counter_ = std::make_shared<Counter>();
  c10::DebugInfoGuard guard_;
};

}  // namespace longhaul::testing
