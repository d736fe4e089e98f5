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

// The numbers k of a panel's rows as f32, in the order of the rows; of f32 and bf16.
template <WeightType type>
HWY_INLINE void load_panel(const std::byte* HWY_RESTRICT at, PanelVector (&out)[kPanelVectors]) {
  static_assert(type != WeightType::int8);
  const PanelFloats d;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d));
  if constexpr (type == WeightType::f32) {
    LH_UNROLL for (int v = 0; v < kPanelVectors; ++v) out[v] = hn::LoadU(d, reinterpret_cast<const float*>(at) + v * n);
  } else {
    const hn::RebindToUnsigned<PanelFloats> du;
    const auto mask = hn::Set(du, 0xffff0000u);
    LH_UNROLL for (int v = 0; v < kPanelVectors / 2; ++v) {
      const auto word = hn::LoadU(du, reinterpret_cast<const uint32_t*>(at) + v * n);
      out[v] = hn::BitCast(d, hn::ShiftLeft<16>(word));
      out[kPanelVectors / 2 + v] = hn::BitCast(d, hn::And(word, mask));
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();
#endif
