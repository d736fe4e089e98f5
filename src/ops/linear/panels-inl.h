// Panels of lines that lie side by side, for the products. Included once per target, as Highway's own *-inl.h are.
#if defined(LONGHAUL_OPS_LINEAR_PANELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LONGHAUL_OPS_LINEAR_PANELS_INL_H_
#undef LONGHAUL_OPS_LINEAR_PANELS_INL_H_
#else
#define LONGHAUL_OPS_LINEAR_PANELS_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {

#ifndef LH_UNROLL
#define LH_UNROLL _Pragma("GCC unroll 16")
#endif

// The tile of sums in registers: 8 x 2 vectors where there are 32 registers, 6 x 2 where there are 16.
constexpr int kTileRows = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON ? 8 : 6;
constexpr int kTileVectors = 2;

#if HWY_TARGET != HWY_SCALAR
// Blocks of 4 x 4 of lines that lie side by side are turned in registers. Returns how many of the lines it took.
HWY_INLINE int64_t pack_turned(const float* from, int64_t line, int64_t lines, int64_t depth, int64_t width,
                               float* to) {
  const hn::FixedTag<float, 4> d;
  const int64_t groups = lines / 4 * 4, steps = depth / 4 * 4;
  for (int64_t i = 0; i < groups; i += 4) {
    const float* rows = from + i * line;
    for (int64_t k = 0; k < steps; k += 4) {
      const auto r0 = hn::LoadU(d, rows + k), r1 = hn::LoadU(d, rows + line + k);
      const auto r2 = hn::LoadU(d, rows + 2 * line + k), r3 = hn::LoadU(d, rows + 3 * line + k);
      const auto low01 = hn::InterleaveLower(d, r0, r1), low23 = hn::InterleaveLower(d, r2, r3);
      const auto high01 = hn::InterleaveUpper(d, r0, r1), high23 = hn::InterleaveUpper(d, r2, r3);
      float* column = to + k * width + i;
      hn::StoreU(hn::ConcatLowerLower(d, low23, low01), d, column);
      hn::StoreU(hn::ConcatUpperUpper(d, low23, low01), d, column + width);
      hn::StoreU(hn::ConcatLowerLower(d, high23, high01), d, column + 2 * width);
      hn::StoreU(hn::ConcatUpperUpper(d, high23, high01), d, column + 3 * width);
    }
    for (int64_t k = steps; k < depth; ++k)
      for (int64_t r = 0; r < 4; ++r) to[k * width + i + r] = rows[r * line + k];
  }
  return groups;
}
#endif

// The panel of `width` lines (rows of A, columns of B) whose first number is at `from`: to[k * width + i] = from[i * line + k * step],
// 0 behind the last of `lines`.
HWY_INLINE void pack_panel(const float* from, int64_t line, int64_t step, int64_t lines, int64_t depth, int64_t width,
                           float* to) {
  if (lines < width) std::memset(to, 0, static_cast<size_t>(width * depth) * sizeof(float));
  if (line == 1) {
    for (int64_t k = 0; k < depth; ++k)
      std::memcpy(to + k * width, from + k * step, static_cast<size_t>(lines) * sizeof(float));
    return;
  }
  int64_t packed = 0;
#if HWY_TARGET != HWY_SCALAR
  if (step == 1) packed = pack_turned(from, line, lines, depth, width, to);
#endif
  for (int64_t i = packed; i < lines; ++i)
    for (int64_t k = 0; k < depth; ++k) to[k * width + i] = from[i * line + k * step];
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();
#endif
