// Weights into panels.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/linear/packed_pack_cpu.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h

#include "ops/linear/packed_kernels.h"
#include "ops/linear/packed_panels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {

// The upper half of x's bits, rounded to nearest even; a NaN stays one.
HWY_INLINE hn::Vec<hn::RebindToUnsigned<PanelFloats>> upper_half(PanelVector x) {
  const hn::RebindToUnsigned<PanelFloats> du;
  const auto bits = hn::BitCast(du, x), odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fffu)));
  const auto quiet = hn::Or(bits, hn::Set(du, 0x00400000u));
  return hn::ShiftRight<16>(hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(x)), quiet, rounded));
}

// from [depth][kPanelRows] -> words of rows r and r + 16.
HWY_INLINE void pack_bf16(const float* from, int64_t depth, std::byte* to) {
  const PanelFloats d;
  const hn::RebindToUnsigned<PanelFloats> du;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d));
  auto* words = reinterpret_cast<uint32_t*>(to);
  for (int64_t k = 0; k < depth; ++k, from += kPanelRows, words += kPanelRows / 2) {
    for (int64_t r = 0; r < kPanelRows / 2; r += n) {
      const auto low = upper_half(hn::LoadU(d, from + r)), high = upper_half(hn::LoadU(d, from + kPanelRows / 2 + r));
      hn::StoreU(hn::Or(low, hn::ShiftLeft<16>(high)), du, words + r);
    }
  }
}

// from [depth][kPanelRows], one group of every row -> pairs of numbers, and scales.
HWY_INLINE void pack_int8(const float* from, int64_t depth, std::byte* to, float* scales) {
  const PanelFloats d;
  const hn::RebindToSigned<PanelFloats> di;
  const hn::Rebind<int16_t, PanelFloats> d16;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t r = 0; r < kPanelRows; r += n) {
    PanelVector most = hn::Zero(d),
                not_finite = hn::Zero(d);  // NaN where a number is NaN or infinite: its group is NaN then
    for (int64_t k = 0; k < depth; ++k) {
      const PanelVector number = hn::LoadU(d, from + k * kPanelRows + r);
      most = hn::Max(most, hn::Abs(number));
      not_finite = hn::Add(not_finite, hn::Sub(number, number));
    }
    const PanelVector scale = hn::MulAdd(most, hn::Set(d, 1.0f / 127), not_finite);
    hn::StoreU(scale, d, scales + r);
    const auto none = hn::Eq(scale, hn::Zero(d));
    const PanelVector inverse = hn::IfThenElse(none, hn::Zero(d), hn::Div(hn::Set(d, 1.0f), scale));
    const auto whole = [&](int64_t k) HWY_ATTR {  // a NaN becomes any number: its scale tells
      const auto number = hn::NearestInt(hn::Mul(hn::LoadU(d, from + k * kPanelRows + r), inverse));
      return hn::Max(hn::Min(number, hn::Set(di, 127)), hn::Set(di, -127));
    };
    for (int64_t k = 0; k < depth; k += 2) {
      const auto first = hn::And(whole(k), hn::Set(di, 255));
      const auto second = k + 1 < depth ? whole(k + 1) : hn::Zero(di);
      hn::StoreU(hn::DemoteTo(d16, hn::Or(hn::ShiftLeft<8>(second), first)), d16,
                 reinterpret_cast<int16_t*>(to) + k / 2 * kPanelRows + r);
    }
  }
}

void PackPanels(const PlainRows& from, const PackedMatrix& packed, int64_t begin, int64_t end) {
  HWY_ALIGN float turned[kSumDepth * kPanelRows];
  const int64_t step = packed.type == WeightType::int8 ? kScaleGroup : kSumDepth, depth = packed.depth;
  const float* panel_rows = from.data;
  for (int64_t p = begin; p < end; ++p, panel_rows += kPanelRows * from.row) {
    const int64_t rows = std::min(kPanelRows, packed.rows - p * kPanelRows);
    for (int64_t k = 0; k < depth; k += step) {
      const int64_t count = std::min(step, depth - k);
      std::byte* to = packed.panel(p) + k * kPanelRows * element_bytes(packed.type);
      float* panel = packed.type == WeightType::f32 ? reinterpret_cast<float*>(to) : turned;
      pack_panel(panel_rows + k * from.step, from.row, from.step, rows, count, kPanelRows, panel);
      if (packed.type == WeightType::bf16) pack_bf16(turned, count, to);
      if (packed.type == WeightType::int8)
        pack_int8(turned, count, to, packed.panel_scales(p) + k / kScaleGroup * kPanelRows);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
HWY_EXPORT(PackPanels);

void kernels::pack_panels(const PlainRows& rows, const PackedMatrix& packed, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(PackPanels)(rows, packed, begin, end);
}

}  // namespace longhaul
#endif
