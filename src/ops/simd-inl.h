// Loops over rows of floats in Highway vectors, for the kernels of the ops. Included once per target, as Highway's own *-inl.h are.
#if defined(LONGHAUL_OPS_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LONGHAUL_OPS_SIMD_INL_H_
#undef LONGHAUL_OPS_SIMD_INL_H_
#else
#define LONGHAUL_OPS_SIMD_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using FloatVector = hn::Vec<Floats>;

// One vector of which the first `lanes` numbers are at `data` and the others are `fill`; reads nothing behind them.
HWY_INLINE FloatVector load_some(const float* data, int64_t lanes, float fill) {
  const Floats d;
  HWY_ALIGN float buffer[hn::MaxLanes(d)];
  for (int64_t i = 0; i < static_cast<int64_t>(hn::Lanes(d)); ++i) buffer[i] = i < lanes ? data[i] : fill;
  return hn::Load(d, buffer);
}

HWY_INLINE void store_some(FloatVector vector, float* data, int64_t lanes) {
  const Floats d;
  HWY_ALIGN float buffer[hn::MaxLanes(d)];
  hn::Store(vector, d, buffer);
  for (int64_t i = 0; i < lanes; ++i) data[i] = buffer[i];
}

// Calls body(load, store, i) for i = 0, N, 2 N, ... : load(pointer, fill) is the vector at pointer + i and store(vector, pointer)
// writes it. The last call may be partial: it loads `fill` where the row has ended, and does not write there.
template <class Body>
HWY_INLINE void for_vectors(int64_t count, const Body& body) {
  const Floats d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    body([&](const float* data, float) HWY_ATTR { return hn::LoadU(d, data + i); },
         [&](FloatVector vector, float* data) HWY_ATTR { hn::StoreU(vector, d, data + i); }, i);
  }
  if (i == count) return;
  body([&](const float* data, float fill) HWY_ATTR { return load_some(data + i, count - i, fill); },
       [&](FloatVector vector, float* data) HWY_ATTR { store_some(vector, data + i, count - i); }, i);
}

HWY_INLINE float sum_of(FloatVector vector) { return hn::GetLane(hn::SumOfLanes(Floats(), vector)); }

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();
#endif
