// The rotation of f32 rows in one pass over memory.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/rotary/rotary_cpu.cpp"
#include <ATen/Parallel.h>
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <cstring>

#include "ops/op.h"
#include "ops/rotary/rotary_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The pairs [begin, ...) of one head as far as whole vectors of D go; returns the first pair that is left.
template <class D>
HWY_INLINE int64_t rotate_pairs(D d, const RotaryTask& task, int64_t begin, const float* from, float* to,
                                const float* cos, const float* sin) {
  const auto sign = hn::Set(d, task.inverse ? -1.0f : 1.0f);
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t k = begin;
  for (; k + lanes <= task.half; k += lanes) {
    const auto c = hn::LoadU(d, cos + k), s = hn::Mul(sign, hn::LoadU(d, sin + k));
    hn::Vec<D> a, b;
    if (task.interleaved) {
      hn::LoadInterleaved2(d, from + 2 * k, a, b);
    } else {
      a = hn::LoadU(d, from + k);
      b = hn::LoadU(d, from + k + task.half);
    }
    const auto first = hn::NegMulAdd(b, s, hn::Mul(a, c)), second = hn::MulAdd(a, s, hn::Mul(b, c));
    if (task.interleaved) {
      hn::StoreInterleaved2(first, second, d, to + 2 * k);
    } else {
      hn::StoreU(first, d, to + k);
      hn::StoreU(second, d, to + k + task.half);
    }
  }
  return k;
}

void rotate_rows(const RotaryTask& task, int64_t begin, int64_t end) {
  const int64_t rotated = 2 * task.half;
  for (int64_t t = begin; t < end; ++t) {
    const float *cos = task.cos + t * task.cos_stride, *sin = task.sin + t * task.sin_stride;
    const float* from = task.from + t * task.from_stride;
    float* to = task.to + t * task.to_stride;
    for (int64_t h = 0; h < task.heads; ++h, from += task.head_dim, to += task.head_dim) {
      const int64_t k = rotate_pairs(hn::ScalableTag<float>(), task, 0, from, to, cos, sin);
      rotate_pairs(hn::CappedTag<float, 1>(), task,
                   rotate_pairs(hn::CappedTag<float, 4>(), task, k, from, to, cos, sin), from, to, cos, sin);
      if (to != from) std::memcpy(to + rotated, from + rotated, sizeof(float) * (task.head_dim - rotated));
    }
    if (to != from) std::memcpy(to, from, sizeof(float) * (task.width - task.heads * task.head_dim));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
namespace {
HWY_EXPORT(rotate_rows);
}  // namespace

void rotate_cpu(const RotaryTask& task) {
  at::parallel_for(0, task.tokens, 16384 / std::max<int64_t>(task.width, 1) + 1, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(rotate_rows)(task, begin, end);
  });
}

LH_REGISTER(Ops, "rotary", "rotation of queries and keys", [] {
  return OpPaths{"own kernel, " + vector_target(HWY_TARGETS) + "; f64, bf16: composition of ATen ops",
                 kAtenComposition};
});

}  // namespace longhaul
#endif
