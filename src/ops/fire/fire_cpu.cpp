// Along a row the distance falls by one from key to key, so a piece of the MLP is a range of keys: one multiply-add a number.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/fire/fire_cpu.cpp"
#include <ATen/Parallel.h>
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "ops/fire/fire_kernels.h"
#include "ops/op.h"
#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Piece s of the row at index i: keys [i - ends[s], i - ends[s - 1]).
struct Piece {
  int64_t begin, end;
};
HWY_INLINE Piece piece_of(const int64_t* ends, int64_t i, int64_t s) { return {i - ends[s], i - ends[s - 1]}; }

// `row` has room for kFirePad more numbers: a vector that runs over its piece's end is written again by the next piece.
void fire_head(const FireRows& rows, int64_t h, float* out, float* row) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const float *slope = rows.slope + h * rows.pieces, *intercept = rows.intercept + h * rows.pieces;
  for (int64_t r = 0; r < rows.rows; ++r) {
    const int64_t i = rows.first + r, *ends = rows.ends + r * rows.pieces;
    const float* stretched = rows.stretched + rows.rows - 1 - r;  // of key 0
    for (int64_t s = rows.pieces - 1; s >= 1; --s) {
      const Piece piece = piece_of(ends, i, s);
      const FloatVector a = hn::Set(d, slope[s] / rows.divisor[r]), b = hn::Set(d, intercept[s]);
      for (int64_t j = piece.begin; j < piece.end; j += lanes)
        hn::StoreU(hn::MulAdd(a, hn::LoadU(d, stretched + j), b), d, row + j);
    }
    std::fill(row + i, row + rows.keys, intercept[0]);
    std::memcpy(out + r * rows.keys, row, sizeof(float) * static_cast<size_t>(rows.keys));
  }
}

// `row`: as above; what lies behind its keys is zero.
void fire_head_backward(const FireRows& rows, int64_t h, const float* dout, const FireGradients& gradients,
                        float* row) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const float* slope = rows.slope + h * rows.pieces;
  double *dslope = gradients.dslope + h * rows.pieces, *dintercept = gradients.dintercept + h * rows.pieces;
  for (int64_t r = 0; r < rows.rows; ++r) {
    const int64_t i = rows.first + r, *ends = rows.ends + r * rows.pieces;
    const float *stretched = rows.stretched + rows.rows - 1 - r, inverse = 1 / rows.divisor[r];
    float* dstretched = gradients.dstretched + h * (rows.first + rows.rows + kFirePad) + rows.rows - 1 - r;
    std::memcpy(row, dout + r * rows.keys, sizeof(float) * static_cast<size_t>(rows.keys));
    for (int64_t s = 1; s < rows.pieces; ++s) {
      const Piece piece = piece_of(ends, i, s);
      if (piece.begin == piece.end) continue;
      const FloatVector a = hn::Set(d, slope[s] * inverse);
      FloatVector sum = hn::Zero(d), weighted = hn::Zero(d);
      for (int64_t j = piece.begin; j < piece.end; j += lanes) {
        const auto inside = hn::FirstN(d, static_cast<size_t>(piece.end - j));
        const FloatVector slopes = hn::IfThenElseZero(inside, hn::LoadU(d, row + j));
        sum = hn::Add(sum, slopes);
        weighted = hn::MulAdd(slopes, hn::LoadU(d, stretched + j), weighted);
        hn::StoreU(hn::MulAdd(a, slopes, hn::LoadU(d, dstretched + j)), d, dstretched + j);
      }
      const double of_stretched = static_cast<double>(sum_of(weighted)) * inverse;
      dintercept[s] += sum_of(sum);
      dslope[s] += of_stretched;
      gradients.ddivisor[h * rows.rows + r] -= of_stretched * slope[s] * inverse;
    }
    for (int64_t j = i; j < rows.keys; ++j) dintercept[0] += row[j];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
namespace {
HWY_EXPORT(fire_head);
HWY_EXPORT(fire_head_backward);

// body(h, row): a head is one task, so which thread runs it never shows.
template <class Body>
void for_heads(const FireRows& rows, const Body& body) {
  at::parallel_for(0, rows.heads, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<size_t>(rows.keys + kFirePad));
    for (int64_t h = begin; h < end; ++h) body(h, row.data());
  });
}
}  // namespace

void fire_rows_cpu(const FireRows& rows, float* out) {
  for_heads(rows, [&](int64_t h, float* row) {
    HWY_DYNAMIC_DISPATCH(fire_head)(rows, h, out + h * rows.rows * rows.keys, row);
  });
}

void fire_rows_backward_cpu(const FireRows& rows, const float* dout, const FireGradients& gradients) {
  for_heads(rows, [&](int64_t h, float* row) {
    HWY_DYNAMIC_DISPATCH(fire_head_backward)(rows, h, dout + h * rows.rows * rows.keys, gradients, row);
  });
}

LH_REGISTER(Ops, "fire", "FIRE's bias for a block of queries", [] {
  return OpPaths{"own kernel, " + vector_target(HWY_TARGETS) + "; f64, positions with gaps: composition of ATen ops",
                 kAtenComposition};
});

}  // namespace longhaul
#endif
