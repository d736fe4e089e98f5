// Vectors of a packed panel. Included once per target, as Highway's own *-inl.h are.
#if defined(LONGHAUL_OPS_LINEAR_PACKED_PANELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LONGHAUL_OPS_LINEAR_PACKED_PANELS_INL_H_
#undef LONGHAUL_OPS_LINEAR_PACKED_PANELS_INL_H_
#else
#define LONGHAUL_OPS_LINEAR_PACKED_PANELS_INL_H_
#endif

#include "ops/linear/packed_matrix.h"
#include "ops/linear/panels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {

using PanelFloats = hn::CappedTag<float, 16>;
using PanelVector = hn::Vec<PanelFloats>;
constexpr int kPanelVectors = kPanelRows / hn::MaxLanes(PanelFloats());  // of one number k of all rows

// The numbers k of a panel's rows as f32, in the order of the rows; int8 without its scale.
template <WeightType type>
HWY_INLINE void load_panel(const std::byte* HWY_RESTRICT at, PanelVector (&out)[kPanelVectors]) {
  const PanelFloats d;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d));
  if constexpr (type == WeightType::f32) {
    LH_UNROLL for (int v = 0; v < kPanelVectors; ++v) out[v] = hn::LoadU(d, reinterpret_cast<const float*>(at) + v * n);
  } else if constexpr (type == WeightType::bf16) {
    const hn::RebindToUnsigned<PanelFloats> du;
    const auto mask = hn::Set(du, 0xffff0000u);
    LH_UNROLL for (int v = 0; v < kPanelVectors / 2; ++v) {
      const auto word = hn::LoadU(du, reinterpret_cast<const uint32_t*>(at) + v * n);
      out[v] = hn::BitCast(d, hn::ShiftLeft<16>(word));
      out[kPanelVectors / 2 + v] = hn::BitCast(d, hn::And(word, mask));
    }
  } else {
    const hn::RebindToSigned<PanelFloats> di;
    const hn::Rebind<int8_t, PanelFloats> d8;
    LH_UNROLL for (int v = 0; v < kPanelVectors; ++v) {
      const auto small = hn::LoadU(d8, reinterpret_cast<const int8_t*>(at) + v * n);
      out[v] = hn::ConvertTo(d, hn::PromoteTo(di, small));
    }
  }
}

// before + sum, with int8's scales from number `at` on.
template <WeightType type>
HWY_INLINE PanelVector add_sum(PanelVector before, PanelVector sum, const float* scales, int64_t at) {
  if constexpr (type == WeightType::int8) return hn::MulAdd(sum, hn::LoadU(PanelFloats(), scales + at), before);
  return hn::Add(before, sum);
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();
#endif
