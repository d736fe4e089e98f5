// The passes over rows of f32 logits. A row stays in the L2 cache between its passes, so memory is read and written once;
// rows are independent, so that any number of threads gives the same bits.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/linear_cross_entropy/softmax_rows_cpu.cpp"
#include <ATen/Parallel.h>
#include <hwy/foreach_target.h>  // must come before highway.h

#include "ops/linear_cross_entropy/softmax_rows.h"
#include "ops/op.h"
#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {

// row -> soft_cap(scale row); returns the largest, or NaN if there is any NaN.
HWY_INLINE float finish_row(const RowTask& task, float* row) {
  const Floats d;
  const auto scale = hn::Set(d, static_cast<float>(task.soft_cap > 0 ? task.scale / task.soft_cap : task.scale));
  const auto cap = hn::Set(d, static_cast<float>(task.soft_cap));
  auto largest = hn::Set(d, -std::numeric_limits<float>::infinity());
  auto unordered = hn::FirstN(d, 0);  // none
  for_vectors(task.vocabulary, [&](const auto& load, const auto& store, int64_t) HWY_ATTR {
    auto logit = load(row, row[task.vocabulary - 1]);
    if (task.soft_cap > 0) {
      logit = hn::Mul(cap, hn::Tanh(d, hn::Mul(logit, scale)));
      store(logit, row);
    } else if (task.scale != 1) {
      logit = hn::Mul(logit, scale);
      store(logit, row);
    }
    unordered = hn::Or(unordered, hn::IsNaN(logit));
    largest = hn::Max(largest, logit);
  });
  if (!hn::AllFalse(d, unordered)) return std::numeric_limits<float>::quiet_NaN();
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

HWY_INLINE int64_t count_larger(const float* row, int64_t count, float than) {
  const Floats d;
  const auto bound = hn::Set(d, than);
  int64_t larger = 0;
  for_vectors(count, [&](const auto& load, const auto&, int64_t) HWY_ATTR {
    larger += static_cast<int64_t>(hn::CountTrue(d, hn::Gt(load(row, than), bound)));
  });
  return larger;
}

// Sum of exp(row - largest); the exponentials replace the row if `keep`.
HWY_INLINE float sum_exponentials(float* row, int64_t count, float largest, bool keep) {
  const Floats d;
  const auto shift = hn::Set(d, largest);
  auto sum = hn::Zero(d);
  for_vectors(count, [&](const auto& load, const auto& store, int64_t) HWY_ATTR {
    const auto power = hn::Exp(d, hn::Sub(load(row, -std::numeric_limits<float>::infinity()), shift));
    if (keep) store(power, row);
    sum = hn::Add(sum, power);
  });
  return sum_of(sum);
}

// Exponentials -> factor times them.
HWY_INLINE void scale_row(float* row, int64_t count, float factor) {
  const auto factors = hn::Set(Floats(), factor);
  for_vectors(count, [&](const auto& load, const auto& store, int64_t)
                         HWY_ATTR { store(hn::Mul(load(row, 0), factors), row); });
}

// Capped logits -> softmax times the slope of the cap, scale (1 - (logit / cap)^2), times the gradient's factor.
HWY_INLINE void capped_gradient(const RowTask& task, float* row, float largest, float sum) {
  const Floats d;
  const auto shift = hn::Set(d, largest), factor = hn::Set(d, static_cast<float>(task.scale * task.gradient / sum));
  const auto inverse_cap = hn::Set(d, static_cast<float>(1 / task.soft_cap)), one = hn::Set(d, 1.0f);
  for_vectors(task.vocabulary, [&](const auto& load, const auto& store, int64_t) HWY_ATTR {
    const auto logit = load(row, 0), tanh = hn::Mul(logit, inverse_cap);
    const auto slope = hn::Mul(factor, hn::NegMulAdd(tanh, tanh, one));
    store(hn::Mul(hn::Exp(d, hn::Sub(logit, shift)), slope), row);
  });
}

// Rows [begin, end) of the task.
void softmax_rows(const RowTask& task, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    float* row = task.rows + r * task.vocabulary;
    const int64_t target = task.targets[r];
    if (target == task.ignore_index) {
      task.log_prob[r] = 0;
      if (task.rank) task.rank[r] = -1;
      if (task.gradient != 0) std::fill_n(row, task.vocabulary, 0.0f);
      continue;
    }
    const float largest = finish_row(task, row), logit = row[target];
    if (task.rank) task.rank[r] = count_larger(row, task.vocabulary, logit);
    const bool capped = task.soft_cap > 0;
    // Highway's Exp makes 0 of NaN, so a NaN is carried here.
    const float sum =
        std::isnan(largest) ? largest : sum_exponentials(row, task.vocabulary, largest, task.gradient != 0 && !capped);
    task.log_prob[r] = static_cast<double>(logit) - largest - std::log(static_cast<double>(sum));
    if (task.gradient == 0) continue;
    if (capped) {
      capped_gradient(task, row, largest, sum);
      const double tanh = logit / task.soft_cap;
      row[target] -= static_cast<float>(task.scale * task.gradient * (1 - tanh * tanh));
    } else {
      scale_row(row, task.vocabulary, static_cast<float>(task.scale * task.gradient / sum));
      row[target] -= static_cast<float>(task.scale * task.gradient);
    }
  }
}

void finish_rows(const RowTask& task, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) finish_row(task, task.rows + r * task.vocabulary);
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
namespace {
HWY_EXPORT(softmax_rows);
HWY_EXPORT(finish_rows);

// Rows that are worth a thread.
int64_t grain(const RowTask& task) { return 16384 / task.vocabulary + 1; }

}  // namespace

void softmax_rows_cpu(const RowTask& task, int64_t rows) {
  at::parallel_for(0, rows, grain(task), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(softmax_rows)(task, begin, end);
  });
}

void finish_rows_cpu(const RowTask& task, int64_t rows) {
  at::parallel_for(0, rows, grain(task), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(finish_rows)(task, begin, end);
  });
}

LH_REGISTER(Ops, "linear_cross_entropy", "the head and its loss, never [T, V]", [] {
  return OpPaths{
      "ATen products by chunks, own softmax, " + vector_target(HWY_TARGETS) + "; f64: composition of ATen ops",
      kAtenComposition};
});

}  // namespace longhaul
#endif
