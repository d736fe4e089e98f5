// A row is read from its own key to the left. Once the count is clamped, all keys further left get the last value: gates are
// worked out for the keys near the query alone.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cope/cope_cpu.cpp"
#include <ATen/Parallel.h>
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/cope/cope_kernels.h"
#include "ops/op.h"
#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kChunk = 64;  // keys whose gates are worked out together

void sigmoids(const float* x, int64_t count, float* out) {
  const Floats d;
  for_vectors(count, [&](const auto& load, const auto& store, int64_t) HWY_ATTR {
    const FloatVector one = hn::Set(d, 1.0f);
    store(hn::Div(one, hn::Add(one, hn::Exp(d, hn::Neg(load(x, 0.0f))))), out);
  });
}

// Gates and counts of keys [begin, own]; begin, which is returned, is the leftmost key whose count is not clamped (own + 1: none).
int64_t count_gates(const float* logits, int64_t own, float largest, float* gate, float* count) {
  double sum = 0;  // as ATen sums floats
  for (int64_t end = own + 1; end > 0;) {
    const int64_t begin = std::max<int64_t>(0, end - kChunk);
    sigmoids(logits + begin, end - begin, gate + begin);
    for (int64_t j = end - 1; j >= begin; --j) {
      sum += gate[j];
      count[j] = static_cast<float>(sum);
      if (!(count[j] <= largest)) return j + 1;  // also where a logit is not a number
    }
    end = begin;
  }
  return 0;
}

void cope_row(const CopeTask& task, int64_t row, int64_t own, float* out, float* gate, float* count) {
  const float *logits = task.logits + row * task.keys, *values = task.values + row * task.positions;
  const int64_t begin = count_gates(logits, own, static_cast<float>(task.positions - 1), gate, count);
  const Floats d;
  const FloatVector last = hn::Set(d, values[task.positions - 1]);
  for_vectors(begin, [&](const auto& load, const auto& store, int64_t)
                         HWY_ATTR { store(hn::Add(load(logits, 0.0f), last), out); });
  for (int64_t j = begin; j <= own; ++j) {
    const auto below = static_cast<int64_t>(count[j]);
    const float share = count[j] - static_cast<float>(below), from = values[below];
    out[j] = logits[j] + (share > 0 ? from + share * (values[below + 1] - from) : from);
  }
  std::copy(logits + own + 1, logits + task.keys, out + own + 1);
}

// dp_ij reaches the gates of all keys between j and i.
void cope_row_backward(const CopeTask& task, int64_t row, int64_t own, const float* dout, float* dlogits,
                       float* dvalues, float* gate, float* count) {
  const float *logits = task.logits + row * task.keys, *values = task.values + row * task.positions;
  const int64_t begin = count_gates(logits, own, static_cast<float>(task.positions - 1), gate, count);
  std::copy(dout, dout + task.keys, dlogits);
  std::fill(dvalues, dvalues + task.positions, 0.0f);
  FloatVector sum = hn::Zero(Floats());
  for_vectors(begin, [&](const auto& load, const auto&, int64_t) HWY_ATTR { sum = hn::Add(sum, load(dout, 0.0f)); });
  dvalues[task.positions - 1] = sum_of(sum);
  double dcount = 0;
  for (int64_t j = begin; j <= own; ++j) {
    const auto below = static_cast<int64_t>(count[j]);
    const float share = count[j] - static_cast<float>(below);
    dvalues[below] += (1 - share) * dout[j];
    if (share > 0) {
      dvalues[below + 1] += share * dout[j];
      dcount += static_cast<double>(dout[j]) * (values[below + 1] - values[below]);
    }
    dlogits[j] += static_cast<float>(dcount) * gate[j] * (1 - gate[j]);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
namespace {
HWY_EXPORT(cope_row);
HWY_EXPORT(cope_row_backward);

// body(row of all heads, index of its own key, two buffers [K]).
template <class Body>
void for_rows(const CopeTask& task, const Body& body) {
  at::parallel_for(0, task.heads * task.rows, 16, [&](int64_t begin, int64_t end) {
    std::vector<float> gate(static_cast<size_t>(task.keys)), count(gate);
    for (int64_t row = begin; row < end; ++row) body(row, task.first + row % task.rows, gate.data(), count.data());
  });
}
}  // namespace

void cope_cpu(const CopeTask& task, float* out) {
  for_rows(task, [&](int64_t row, int64_t own, float* gate, float* count) {
    HWY_DYNAMIC_DISPATCH(cope_row)(task, row, own, out + row * task.keys, gate, count);
  });
}

void cope_backward_cpu(const CopeTask& task, const float* dout, float* dlogits, float* dvalues) {
  for_rows(task, [&](int64_t row, int64_t own, float* gate, float* count) {
    HWY_DYNAMIC_DISPATCH(cope_row_backward)
    (task, row, own, dout + row * task.keys, dlogits + row * task.keys, dvalues + row * task.positions, gate, count);
  });
}

LH_REGISTER(Ops, "cope", "CoPE's counted positions for a block of queries", [] {
  return OpPaths{"own kernel, " + vector_target(HWY_TARGETS) + "; f64: composition of ATen ops", kAtenComposition};
});

}  // namespace longhaul
#endif
