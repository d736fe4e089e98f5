// x W^T for weights of int8, of few rows and of many: sums of whole numbers, which round nothing. Each group of a row of x is in fixed
// point, 30 bits behind a power of two above its largest magnitude, as two halves of 16 bits: vectors multiply twice as many numbers
// at a time as of floats, and the weight needs no conversion but to 16 bits (decisions/006).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/linear/packed_int8_cpu.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "ops/linear/packed_kernels.h"
#include "ops/linear/packed_panels-inl.h"

#ifndef LONGHAUL_OPS_LINEAR_PACKED_INT8_
#define LONGHAUL_OPS_LINEAR_PACKED_INT8_
namespace longhaul {

constexpr int kFractionBits = 30;
constexpr int64_t kInt8Rows = 192;  // a block of x [kInt8Rows, kSumDepth] lies in the second cache
constexpr int64_t kStored = 16;     // halves of a row are stored in multiples of this

// Rows [top, ...) of x, numbers [k, k + depth) of each: unit * (2^16 high + low), with the unit of the number's group.
struct FixedRows {
  int64_t top = 0, k = 0, depth = 0, stored = 0, groups = 0;
  std::vector<int16_t> high, low;  // [rows][stored]
  std::vector<float> unit;         // [rows][groups]

  void resize(int64_t rows) {
    stored = (depth + kStored - 1) / kStored * kStored, groups = (depth + kScaleGroup - 1) / kScaleGroup;
    high.resize(static_cast<size_t>(rows * stored)), low.resize(high.size());
    unit.resize(static_cast<size_t>(rows * groups));
  }
};

}  // namespace longhaul
#endif

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {

using PanelInts = hn::RebindToSigned<PanelFloats>;
using IntVector = hn::Vec<PanelInts>;

// Rows of a tile, and vectors of a panel that they take at a time; a row alone takes all, and so many panels (packed_few_rows_cpu.cpp).
constexpr int kInt8Tile = kTileRows == 8 ? 4 : 3;  // of 32 or 16 registers
constexpr int kInt8Vectors = 2;
constexpr int kInt8Streams = kPanelVectors == 2 ? 2 : 1;

// x [kScaleGroup] -> halves of x / unit, rounded. The unit is NaN where a number is NaN or infinite: so is what comes of it.
HWY_INLINE void fix_group(const float* x, int16_t* high, int16_t* low, float& unit) {
  const PanelFloats d;
  const hn::Rebind<int16_t, PanelFloats> d16;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d));
  PanelVector most = hn::Zero(d), not_finite = hn::Zero(d);
  for (int64_t k = 0; k < kScaleGroup; k += n) {
    const PanelVector number = hn::LoadU(d, x + k);
    most = hn::Max(most, hn::Abs(number));
    not_finite = hn::Add(not_finite, hn::Sub(number, number));
  }
  const float broken = hn::GetLane(hn::SumOfLanes(d, not_finite));  // 0 or NaN
  constexpr float kLeast = 0x1p-97f;  // so that units and their inverses are normal numbers
  const float largest = broken == 0 ? std::max(hn::GetLane(hn::MaxOfLanes(d, most)), kLeast) : 1;
  const int exponent = std::ilogb(largest) + 1 - kFractionBits;
  unit = std::ldexp(1.0f, exponent) + broken;
  const PanelVector inverse = hn::Set(d, std::ldexp(1.0f, -exponent));
  for (int64_t k = 0; k < kScaleGroup; k += n) {
    const IntVector whole = hn::NearestInt(hn::Mul(hn::LoadU(d, x + k), inverse));
    const IntVector lower = hn::ShiftRight<16>(hn::ShiftLeft<16>(whole));
    hn::StoreU(hn::DemoteTo(d16, lower), d16, low + k);
    hn::StoreU(hn::DemoteTo(d16, hn::ShiftRight<16>(hn::Sub(whole, lower))), d16, high + k);
  }
}

HWY_INLINE void fix_rows(const PackedProduct& product, int64_t rows, FixedRows& fixed) {
  fixed.resize(rows);
  for (int64_t r = 0; r < rows; ++r) {
    const float* x = product.x + (fixed.top + r) * product.x_row + fixed.k;
    int16_t *high = fixed.high.data() + r * fixed.stored, *low = fixed.low.data() + r * fixed.stored;
    float* unit = fixed.unit.data() + r * fixed.groups;
    int64_t k = 0;
    for (; k + kScaleGroup <= fixed.depth; k += kScaleGroup) fix_group(x + k, high + k, low + k, *unit++);
    if (k == fixed.depth) continue;
    HWY_ALIGN float rest[kScaleGroup] = {};
    int16_t rest_high[kScaleGroup], rest_low[kScaleGroup];
    std::copy_n(x + k, fixed.depth - k, rest);
    fix_group(rest, rest_high, rest_low, *unit);
    std::copy_n(rest_high, fixed.stored - k, high + k), std::copy_n(rest_low, fixed.stored - k, low + k);
  }
}

// Pairs of numbers of a vector of a panel's rows; the same pair for each of them; sum + the products of both, where `odd` is a second
// part of the sum that some targets need. `dot`: the processor has an instruction for it, which Highway has for no target that
// Zen 4 could run.
#if HWY_TARGET == HWY_SCALAR
struct Pairs {
  int32_t first, second;
};
HWY_INLINE Pairs load_pairs(const int8_t* at) { return {at[0], at[1]}; }
HWY_INLINE Pairs same_pair(const int16_t* at) { return {at[0], at[1]}; }
template <bool dot>
HWY_INLINE IntVector add_products(const Pairs& q, const Pairs& x, IntVector sum, IntVector&) {
  return hn::Add(sum, hn::Set(PanelInts(), q.first * x.first + q.second * x.second));
}
HWY_INLINE IntVector whole_sum(IntVector sum, IntVector) { return sum; }
#else
using PanelShorts = hn::Repartition<int16_t, PanelFloats>;
using Pairs = hn::Vec<PanelShorts>;
HWY_INLINE Pairs load_pairs(const int8_t* at) {
  return hn::PromoteTo(PanelShorts(), hn::LoadU(hn::Rebind<int8_t, PanelShorts>(), at));
}
HWY_INLINE Pairs same_pair(const int16_t* at) {
  int32_t both;
  std::memcpy(&both, at, sizeof both);
  return hn::BitCast(PanelShorts(), hn::Set(PanelInts(), both));
}
template <bool dot>
HWY_INLINE IntVector add_products(Pairs q, Pairs x, IntVector sum, IntVector& odd) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (dot) {
    asm("vpdpwssd %2, %1, %0" : "+v"(sum.raw) : "v"(q.raw), "v"(x.raw));
    return sum;
  }
#endif
  return hn::ReorderWidenMulAccumulate(PanelInts(), q, x, sum, odd);
}
HWY_INLINE IntVector whole_sum(IntVector sum, IntVector odd) { return hn::RearrangeToOddPlusEven(sum, odd); }
#endif

// One group of the depth: kRows rows of x, and the same rows of y through kStreams panels.
template <int kRows, int kStreams>
struct Group {
  const int8_t* numbers[kStreams];
  const float* scales[kStreams];
  const int16_t *high, *low;
  int64_t x_row;
  const float* unit;
  int64_t unit_row, count;
  float (*y)[kRows][kPanelRows];  // [kStreams]
};

// y + the products with kVectors vectors of each panel's rows, from row `first` on.
template <int kVectors, bool dot, int kRows, int kStreams>
HWY_INLINE void add_group(const Group<kRows, kStreams>& group, int64_t first) {
  const PanelFloats d;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d));
  IntVector high[kStreams][kRows][kVectors], low[kStreams][kRows][kVectors];
  IntVector high_odd[kStreams][kRows][kVectors], low_odd[kStreams][kRows][kVectors];
  LH_UNROLL for (int s = 0; s < kStreams; ++s) {
    LH_UNROLL for (int r = 0; r < kRows; ++r) {
      LH_UNROLL for (int v = 0; v < kVectors; ++v) {
        high[s][r][v] = low[s][r][v] = high_odd[s][r][v] = low_odd[s][r][v] = hn::Zero(PanelInts());
      }
    }
  }
  for (int64_t k = 0; k < group.count; k += 2) {
    Pairs q[kStreams][kVectors];
    LH_UNROLL for (int s = 0; s < kStreams; ++s) {
      const int8_t* numbers = group.numbers[s] + k * kPanelRows + first * 2;
      LH_UNROLL for (int v = 0; v < kVectors; ++v) q[s][v] = load_pairs(numbers + v * 2 * n);
    }
    LH_UNROLL for (int r = 0; r < kRows; ++r) {
      const Pairs upper = same_pair(group.high + r * group.x_row + k);
      const Pairs lower = same_pair(group.low + r * group.x_row + k);
      LH_UNROLL for (int s = 0; s < kStreams; ++s) {
        LH_UNROLL for (int v = 0; v < kVectors; ++v) {
          high[s][r][v] = add_products<dot>(q[s][v], upper, high[s][r][v], high_odd[s][r][v]);
          low[s][r][v] = add_products<dot>(q[s][v], lower, low[s][r][v], low_odd[s][r][v]);
        }
      }
    }
  }
  LH_UNROLL for (int r = 0; r < kRows; ++r) {
    const PanelVector unit = hn::Set(d, group.unit[r * group.unit_row]);
    LH_UNROLL for (int s = 0; s < kStreams; ++s) {
      LH_UNROLL for (int v = 0; v < kVectors; ++v) {
        const PanelVector upper = hn::ConvertTo(d, whole_sum(high[s][r][v], high_odd[s][r][v]));
        const PanelVector lower = hn::ConvertTo(d, whole_sum(low[s][r][v], low_odd[s][r][v]));
        const PanelVector sum = hn::Mul(hn::MulAdd(upper, hn::Set(d, 65536.0f), lower), unit);
        const PanelVector scale = hn::LoadU(d, group.scales[s] + first + v * n);
        float* to = group.y[s][r] + first + v * n;
        hn::StoreU(hn::MulAdd(sum, scale, hn::LoadU(d, to)), d, to);
      }
    }
  }
}

// kRows rows from `row` on through panels `panel`, panel + apart, ...
template <int kRows, int kStreams, bool dot>
HWY_INLINE void multiply_tile(const PackedProduct& product, const FixedRows& x, int64_t row, int64_t panel,
                              int64_t apart) {
  constexpr int kVectors = kRows == 1 ? kPanelVectors : kInt8Vectors;
  const PackedMatrix& weight = product.weight;
  const auto column = [&](int s) { return (panel + s * apart) * kPanelRows; };
  const auto columns = [&](int s) { return std::min(kPanelRows, weight.rows - column(s)); };
  const auto place = [&](int s, int r) { return product.y + (row + r) * product.y_row + column(s); };
  HWY_ALIGN float y[kStreams][kRows][kPanelRows] = {};
  const int64_t top = row - x.top;
  Group<kRows, kStreams> group{{},
                               {},
                               x.high.data() + top * x.stored,
                               x.low.data() + top * x.stored,
                               x.stored,
                               x.unit.data() + top * x.groups,
                               x.groups,
                               0,
                               y};
  for (int s = 0; s < kStreams; ++s) {
    group.numbers[s] = reinterpret_cast<const int8_t*>(weight.panel(panel + s * apart)) + x.k * kPanelRows;
    group.scales[s] = weight.panel_scales(panel + s * apart) + x.k / kScaleGroup * kPanelRows;
    for (int r = 0; r < kRows; ++r) {
      const float* before = x.k > 0 ? place(s, r) : product.bias ? product.bias + column(s) : nullptr;
      if (before) std::copy_n(before, columns(s), y[s][r]);
    }
  }
  for (int64_t k = 0; k < x.depth; k += kScaleGroup) {
    group.count = std::min(kScaleGroup, x.depth - k);
    for (int v = 0; v < kPanelVectors; v += kVectors)
      add_group<kVectors, dot>(group, v * static_cast<int64_t>(hn::Lanes(PanelFloats())));
    for (int s = 0; s < kStreams; ++s) group.numbers[s] += kScaleGroup * kPanelRows, group.scales[s] += kPanelRows;
    group.high += kScaleGroup, group.low += kScaleGroup, ++group.unit;
  }
  for (int s = 0; s < kStreams; ++s)
    for (int r = 0; r < kRows; ++r) std::copy_n(y[s][r], columns(s), place(s, r));
}

// Rows [x.top, bottom).
template <bool dot>
HWY_INLINE void multiply_rows(const PackedProduct& product, const FixedRows& x, int64_t bottom, int64_t begin,
                              int64_t end) {
  if (bottom - x.top == 1) {
    const int64_t apart = (end - begin) / kInt8Streams;
    for (int64_t i = 0; i < apart; ++i) multiply_tile<1, kInt8Streams, dot>(product, x, x.top, begin + i, apart);
    begin += kInt8Streams * apart;
  }
  for (int64_t panel = begin; panel < end; ++panel) {
    int64_t row = x.top;
    for (; row + kInt8Tile <= bottom; row += kInt8Tile) multiply_tile<kInt8Tile, 1, dot>(product, x, row, panel, 0);
    for (; row < bottom; ++row) multiply_tile<1, 1, dot>(product, x, row, panel, 0);
  }
}

template <bool dot>
HWY_INLINE void multiply_blocks(const PackedProduct& product, int64_t row_begin, int64_t row_end, int64_t begin,
                                int64_t end) {
  thread_local FixedRows x;
  // A panel is read from its beginning to its end when that is what takes the time.
  const int64_t depth = product.weight.depth, step = row_end - row_begin < kernels::kFewRows ? depth : kSumDepth;
  for (x.top = row_begin; x.top < row_end; x.top += kInt8Rows) {
    const int64_t bottom = std::min(x.top + kInt8Rows, row_end);
    for (x.k = 0; x.k < depth; x.k += step) {
      x.depth = std::min(step, depth - x.k);
      fix_rows(product, bottom - x.top, x);
      multiply_rows<dot>(product, x, bottom, begin, end);
    }
  }
}

void MultiplyInt8(const PackedProduct& product, int64_t row_begin, int64_t row_end, int64_t begin, int64_t end) {
#if HWY_TARGET == HWY_AVX3
  static const bool dot = __builtin_cpu_supports("avx512vnni") != 0;
  if (dot) return multiply_blocks<true>(product, row_begin, row_end, begin, end);
#endif
  multiply_blocks<false>(product, row_begin, row_end, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
HWY_EXPORT(MultiplyInt8);

void kernels::multiply_int8(const PackedProduct& product, int64_t row_begin, int64_t row_end, int64_t begin,
                            int64_t end) {
  HWY_DYNAMIC_DISPATCH(MultiplyInt8)(product, row_begin, row_end, begin, end);
}

}  // namespace longhaul
#endif
