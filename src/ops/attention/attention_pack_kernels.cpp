// Rows of tensors to zero-padded float rows in the cache, and back.
#include "ops/attention/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/attention/attention_pack_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/attention/attention_packing.h"
#include "ops/attention/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::HWY_NAMESPACE {

HWY_INLINE Vector load(const float* from) { return hn::LoadU(Floats(), from); }
HWY_INLINE Vector load(const hwy::bfloat16_t* from) {
  const Floats d;
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<hwy::bfloat16_t, Floats>(), from));
}
HWY_INLINE Vector load(const int8_t* from) {
  const hn::RebindToSigned<Floats> di;
  return hn::ConvertTo(Floats(), hn::PromoteTo(di, hn::LoadU(hn::Rebind<int8_t, Floats>(), from)));
}
HWY_INLINE void save(Vector x, float* to) { hn::StoreU(x, Floats(), to); }
// Rounded to nearest even; a NaN keeps a bit of its payload that survives.
HWY_INLINE void save(Vector x, hwy::bfloat16_t* to) {
  const Floats d;
  const hn::RebindToUnsigned<Floats> du;
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fffu)));
  const auto quiet = hn::BitCast(du, hn::IfThenElse(hn::IsNaN(x), hn::Set(d, NAN), hn::BitCast(d, rounded)));
  const hn::Rebind<uint16_t, hn::RebindToSigned<Floats>> d16;
  const auto high = hn::DemoteTo(d16, hn::BitCast(hn::RebindToSigned<Floats>(), hn::ShiftRight<16>(quiet)));
  hn::StoreU(high, d16, reinterpret_cast<uint16_t*>(to));
}

template <class Element>
HWY_INLINE void pack(const Strided& rows, int64_t count, int64_t dim, const float* factor, float* to) {
  const Floats d;
  const int64_t n = lanes(), whole = dim / n * n, width = padded(dim);
  const Element* from = static_cast<const Element*>(rows.data);
  for (int64_t r = 0; r < count; ++r, from += rows.row, to += width) {
    const float scale = rows.scales == nullptr ? 1.0f : rows.scales[r * rows.scale_row];
    const Vector f = hn::Set(d, factor == nullptr ? scale : factor[r] * scale);
    for (int64_t c = 0; c < whole; c += n) hn::StoreU(hn::Mul(f, load(from + c)), d, to + c);
    if (whole == width) continue;
    alignas(64) Element tail[16] = {};
    std::copy(from + whole, from + dim, tail);
    for (int64_t c = whole; c < width; c += n) hn::StoreU(hn::Mul(f, load(tail + (c - whole))), d, to + c);
  }
}

HWY_ATTR void PackRows(const Strided& from, int64_t count, int64_t dim, const float* factor, float* to) {
  switch (from.storage) {
    case Storage::f32: return pack<float>(from, count, dim, factor, to);
    case Storage::bf16: return pack<hwy::bfloat16_t>(from, count, dim, factor, to);
    case Storage::int8: return pack<int8_t>(from, count, dim, factor, to);
  }
}

template <class Element>
HWY_INLINE void unpack(const float* from, int64_t count, int64_t dim, float factor, Element* to, int64_t row) {
  const Floats d;
  const int64_t n = lanes(), whole = dim / n * n, width = padded(dim);
  for (int64_t r = 0; r < count; ++r, from += width, to += row) {
    const Vector f = hn::Set(d, factor);
    for (int64_t c = 0; c < whole; c += n) save(hn::Mul(f, hn::LoadU(d, from + c)), to + c);
    if (whole == dim) continue;
    alignas(64) Element tail[16];
    save(hn::Mul(f, hn::LoadU(d, from + whole)), tail);
    std::copy(tail, tail + (dim - whole), to + whole);
  }
}

HWY_ATTR void UnpackRows(const float* from, int64_t count, int64_t dim, float factor, void* to, Storage storage,
                         int64_t row) {
  if (storage == Storage::f32) {
    unpack(from, count, dim, factor, static_cast<float*>(to), row);
  } else {
    unpack(from, count, dim, factor, static_cast<hwy::bfloat16_t*>(to), row);
  }
}

template <class Element>
HWY_INLINE void widen(const Element* from, const float* scales, int64_t dim, float* to) {
  const Floats d;
  for (int64_t r = 0; r < dim; ++r) {
    for (int64_t c = 0; c < kKeyTile; c += lanes(), from += lanes(), to += lanes()) {
      const Vector x = load(from);
      hn::StoreU(scales == nullptr ? x : hn::Mul(hn::LoadU(d, scales + c), x), d, to);
    }
  }
}

HWY_ATTR void WidenTile(const Strided& from, int64_t dim, float* to) {
  switch (from.storage) {
    case Storage::f32: return widen(static_cast<const float*>(from.data), from.scales, dim, to);
    case Storage::bf16: return widen(static_cast<const hwy::bfloat16_t*>(from.data), from.scales, dim, to);
    case Storage::int8: return widen(static_cast<const int8_t*>(from.data), from.scales, dim, to);
  }
}

HWY_ATTR void ColumnNorms(const float* transposed, int64_t dim, float* norms) {
  const Floats d;
  for (int64_t c = 0; c < kKeyTile; c += lanes()) {
    Vector sum = hn::Zero(d);
    for (int64_t r = 0; r < dim; ++r) {
      const Vector x = hn::LoadU(d, transposed + r * kKeyTile + c);
      sum = hn::MulAdd(x, x, sum);
    }
    hn::StoreU(hn::Mul(hn::Sqrt(sum), hn::Set(d, kNormSlack)), d, norms + c);
  }
}

// Blocks of 4 x 4 in registers.
HWY_ATTR void TransposeTile(const float* from, int64_t row, int64_t dim, float* to) {
  const hn::FixedTag<float, HWY_TARGET == HWY_SCALAR ? 1 : 4> d;
#if HWY_TARGET == HWY_SCALAR
  for (int64_t r = 0; r < kKeyTile; ++r) {
    for (int64_t c = 0; c < dim; ++c) hn::Store(hn::Load(d, from + r * row + c), d, to + c * kKeyTile + r);
  }
#else
  const hn::RepartitionToWide<decltype(d)> wide;
  for (int64_t r = 0; r < kKeyTile; r += 4) {
    for (int64_t c = 0; c < dim; c += 4) {
      const float* x = from + r * row + c;
      const auto r0 = hn::LoadU(d, x), r1 = hn::LoadU(d, x + row);
      const auto r2 = hn::LoadU(d, x + 2 * row), r3 = hn::LoadU(d, x + 3 * row);
      const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, r0, r1));
      const auto low23 = hn::BitCast(wide, hn::InterleaveLower(d, r2, r3));
      const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, r0, r1));
      const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(d, r2, r3));
      float* y = to + c * kKeyTile + r;
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, low01, low23)), d, y);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23)), d, y + kKeyTile);
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, high01, high23)), d, y + 2 * kKeyTile);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23)), d, y + 3 * kKeyTile);
    }
  }
#endif
}

// Summed in the order of the columns by the same multiply-adds as a product of tiles: where one key holds all the weight of a
// row, dout . v and dout . out are then the same bits, and what vanishes by symmetry is 0. Eight rows hide each other's latency.
HWY_ATTR void RowProducts(const float* a, const float* b, int64_t count, int64_t dim, float* sums) {
  const hn::CappedTag<float, 1> one;
  constexpr int64_t kRows = 8;
  for (int64_t first = 0; first < count; first += kRows) {
    const int64_t rows = std::min(kRows, count - first);
    hn::Vec<decltype(one)> sum[kRows];
    for (int64_t r = 0; r < kRows; ++r) sum[r] = hn::Zero(one);
    for (int64_t c = 0; c < dim; ++c) {
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t at = (first + r) * dim + c;
        sum[r] = hn::MulAdd(hn::Set(one, a[at]), hn::Set(one, b[at]), sum[r]);
      }
    }
    for (int64_t r = 0; r < rows; ++r) sums[first + r] = hn::GetLane(sum[r]);
  }
}

}  // namespace longhaul::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
HWY_EXPORT(PackRows);
HWY_EXPORT(UnpackRows);
HWY_EXPORT(WidenTile);
HWY_EXPORT(ColumnNorms);
HWY_EXPORT(TransposeTile);
HWY_EXPORT(RowProducts);

namespace kernels {
void pack_rows(const Strided& from, int64_t count, int64_t head_dim, const float* factor, float* to) {
  HWY_DYNAMIC_DISPATCH(PackRows)(from, count, head_dim, factor, to);
}
void pack_tile(const Strided& from, int64_t count, int64_t head_dim, float* to) {
  pack_rows(from, count, head_dim, nullptr, to);
  std::fill(to + count * padded(head_dim), to + kKeyTile * padded(head_dim), 0.0f);
}
void unpack_rows(const float* from, int64_t count, int64_t head_dim, float factor, void* to, Storage storage,
                 int64_t row) {
  HWY_DYNAMIC_DISPATCH(UnpackRows)(from, count, head_dim, factor, to, storage, row);
}
void widen_tile(const Strided& from, int64_t head_dim, float* to) {
  HWY_DYNAMIC_DISPATCH(WidenTile)(from, head_dim, to);
}
void transpose_tile(const float* from, int64_t row, int64_t padded_dim, float* to) {
  HWY_DYNAMIC_DISPATCH(TransposeTile)(from, row, padded_dim, to);
}
void column_norms(const float* transposed, int64_t dim, float* norms) {
  HWY_DYNAMIC_DISPATCH(ColumnNorms)(transposed, dim, norms);
}
void row_products(const float* a, const float* b, int64_t count, int64_t padded_dim, float* sums) {
  HWY_DYNAMIC_DISPATCH(RowProducts)(a, b, count, padded_dim, sums);
}
void row_norms(const float* rows, int64_t count, int64_t padded_dim, float* norms) {
  row_products(rows, rows, count, padded_dim, norms);
  for (int64_t r = 0; r < count; ++r) norms[r] = std::sqrt(norms[r]) * kNormSlack;
}
}  // namespace kernels
}  // namespace longhaul
#endif
