// What attention does to rows of logits between the products: exp2, the soft cap, the bias, the bounds of skipping.
#if defined(LH_ATTENTION_ROWS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LH_ATTENTION_ROWS_INL
#undef LH_ATTENTION_ROWS_INL
#else
#define LH_ATTENTION_ROWS_INL
#endif

#include <hwy/contrib/math/math-inl.h>

#include <cmath>

#include "ops/attention/attention_kernels.h"
#include "ops/attention/products-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::HWY_NAMESPACE {
using namespace longhaul::kernels;

// 2^x for x <= 127, to 1.3 units in the last place; below -126.5 it is 0; NaN stays NaN.
// x = n + f with |f| <= 1/2: adding 1.5 * 2^23 + 127 rounds to n and leaves n + 127 in the low bits, which become the
// exponent. The polynomial is the minimax one of 2^f (relative error 2e-9).
HWY_INLINE Vector exp2(Vector x) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  const Vector magic = hn::Set(d, 12582912.0f + 127.0f);
  x = hn::Max(hn::Set(d, -127.0f), x);
  const Vector shifted = hn::Add(x, magic);
  const Vector f = hn::Sub(x, hn::Sub(shifted, magic));
  Vector p = hn::Set(d, 0x1.41d334p-13f);
  p = hn::MulAdd(p, f, hn::Set(d, 0x1.5f456ap-10f));
  p = hn::MulAdd(p, f, hn::Set(d, 0x1.3b2dbcp-7f));
  p = hn::MulAdd(p, f, hn::Set(d, 0x1.c6aed4p-5f));
  p = hn::MulAdd(p, f, hn::Set(d, 0x1.ebfbdap-3f));
  p = hn::MulAdd(p, f, hn::Set(d, 0x1.62e43p-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0f));
  return hn::Mul(p, hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
}

// log2(1 + u^2) as a whole number and a rest of at most 1/2, so that a product with it rounds only once.
// The rest is log2(m) = t p(t^2), t = (m - 1) / (m + 1), m in [1/sqrt(2), sqrt(2)); p is minimax (relative error 8e-10).
struct Log2 {
  Vector whole, rest;
};
HWY_INLINE Log2 log2_kernel(Vector u) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  const Vector one = hn::Set(d, 1.0f);
  const auto bits = hn::BitCast(di, hn::MulAdd(u, u, one));
  const auto exponent = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(di, 0x3f3504f3)));  // less the bits of 1/sqrt(2)
  const Vector m = hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<23>(exponent)));
  const Vector t = hn::Div(hn::Sub(m, one), hn::Add(m, one)), t2 = hn::Mul(t, t);
  Vector p = hn::Set(d, 0x1.b99d22p-2f);
  p = hn::MulAdd(p, t2, hn::Set(d, 0x1.274a48p-1f));
  p = hn::MulAdd(p, t2, hn::Set(d, 0x1.ec70dap-1f));
  p = hn::MulAdd(p, t2, hn::Set(d, 0x1.715476p+1f));
  return {hn::ConvertTo(d, exponent), hn::Mul(t, p)};
}

// Columns [begin, end) of a tile that a row may see.
struct Span {
  int64_t begin, end;
  bool full() const { return begin <= 0 && end >= kKeyTile; }
};
inline Span visible(const Setting& setting, int64_t keys, int64_t index, int64_t first_key) {
  const int64_t end = (setting.causal ? std::min(keys, index + 1) : keys) - first_key;
  const int64_t begin = setting.window > 0 ? index - setting.window + 1 - first_key : 0;
  return {begin, index < 0 ? 0 : std::min(end, kKeyTile)};
}

// All ones where the column lies in the span.
HWY_INLINE hn::Mask<Floats> mask_of(const Span& span, int64_t column) {
  const Floats d;
  const Vector at = hn::Iota(d, static_cast<float>(column));
  return hn::And(hn::Ge(at, hn::Set(d, static_cast<float>(std::max<int64_t>(span.begin, 0)))),
                 hn::Lt(at, hn::Set(d, static_cast<float>(span.end))));
}

// The bias of one row over the columns of one key tile. add() returns logit + bias; the others are for the gradient:
// shape() is what g multiplies (binary), slope() the derivative of shape by s_i (which is minus that by s_j).
template <Form form>
struct RowBias {
  HWY_INLINE RowBias(const Keys& keys, const Rows& rows, int64_t r, int64_t first_key)
      : index_(rows.index + r - first_key) {
    const Floats d;
    if constexpr (form == Form::distance) data_ = keys.distance + keys.longest - 1 - index_;
    if constexpr (form == Form::dense) data_ = rows.dense + r * rows.dense_row + first_key;
    if constexpr (kSeparable) {
      high_ = keys.s_high + first_key, low_ = keys.s_low + first_key;
      row_high_ = hn::Set(d, keys.s_high[rows.index + r]), row_low_ = hn::Set(d, keys.s_low[rows.index + r]);
      g_ = hn::Set(d, rows.g[r]);
    }
  }
  HWY_INLINE Vector add(Vector logit, int64_t column) const {
    const Floats d;
    if constexpr (form == Form::none) return logit;
    if constexpr (form == Form::distance) return hn::Add(logit, hn::LoadU(d, data_ + column));
    if constexpr (form == Form::dense) {
      return hn::MulAdd(hn::Set(d, static_cast<float>(kLog2E)), hn::LoadU(d, data_ + column), logit);
    }
    if constexpr (form == Form::kernel) {
      const Log2 log2 = log2_kernel(difference(column));
      return hn::NegMulAdd(g_, log2.whole, hn::NegMulAdd(g_, log2.rest, logit));
    }
    if constexpr (kSeparable) return hn::MulAdd(g_, shape(difference(column), column), logit);
  }
  HWY_INLINE Vector difference(int64_t column) const {  // s_i - s_j
    const Floats d;
    return hn::Add(hn::Sub(row_high_, hn::LoadU(d, high_ + column)), hn::Sub(row_low_, hn::LoadU(d, low_ + column)));
  }
  HWY_INLINE Vector shape(Vector u, int64_t column) const {
    if constexpr (form == Form::kernel) {
      const Log2 log2 = log2_kernel(u);
      return hn::Neg(hn::Add(log2.whole, log2.rest));
    }
    if constexpr (form == Form::separable_both) return hn::IfThenElse(future(column), hn::Neg(hn::Abs(u)), u);
    return u;
  }
  HWY_INLINE Vector slope(Vector u, int64_t column) const {
    const Floats d;
    const Vector one = hn::Set(d, 1.0f);
    if constexpr (form == Form::kernel) return hn::Div(hn::Mul(hn::Set(d, -2.0f), u), hn::MulAdd(u, u, one));
    if constexpr (form == Form::separable_both) {  // -sign(u) for the future
      const Vector sign = hn::IfThenElseZero(hn::Ne(u, hn::Zero(d)), hn::CopySign(one, hn::Neg(u)));
      return hn::IfThenElse(future(column), sign, one);
    }
    return one;
  }
  HWY_INLINE Vector g() const { return g_; }

 private:
  static constexpr bool kSeparable = form == Form::separable || form == Form::separable_both || form == Form::kernel;
  HWY_INLINE hn::Mask<Floats> future(int64_t column) const {
    const Floats d;
    return hn::Gt(hn::Iota(d, static_cast<float>(column)), hn::Set(d, static_cast<float>(index_)));
  }
  int64_t index_;  // the row's own place, counted from the tile's first key
  const float *data_ = nullptr, *high_ = nullptr, *low_ = nullptr;
  Vector row_high_, row_low_, g_;
};

// ---- skipping --------------------------------------------------------------------------------------------------------

// Whether every row weighs keys within `bounds` by less than eps: for all rows r
//   |q_r| max|k| + max bias + log2(count) - reference_r - floor(log2 sum_r) < log2(eps).
// In forward reference and sum are the running maximum and sum (so what is skipped is less than eps of what is kept), in
// backward the row's lse (sum null). `nearest` is the smallest distance i - j in question.
// The s here are floats: their rounding is made up for by 2^-22 (|s_i| + |s_j|).
template <Form form>
HWY_INLINE bool negligible(const Setting& setting, const Keys& keys, const Rows& rows, const KeyBounds& bounds,
                           int64_t tile, int64_t count, int64_t nearest, const float* reference, const float* sum) {
  if constexpr (form == Form::none || form == Form::dense || form == Form::separable_both) return false;
  if (setting.log2_eps == -INFINITY) return false;
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  float rest = std::log2(static_cast<float>(count)) - setting.log2_eps + 1e-3f;
  if constexpr (form == Form::distance) rest += keys.distance_limit[std::max<int64_t>(0, nearest)];
  const Vector k_norm = hn::Set(d, bounds.k_norm[tile]);
  for (int64_t r = 0; r < rows.count; r += lanes()) {
    Vector bound = hn::Mul(hn::LoadU(d, rows.q_norm + r), k_norm);
    if (setting.cap > 0) bound = hn::Min(bound, hn::Set(d, setting.cap));
    bound = hn::Add(bound, hn::Set(d, rest));
    if constexpr (form == Form::separable || form == Form::kernel) {
      const Vector s = hn::LoadU(d, keys.s_high + rows.index + r), g = hn::LoadU(d, rows.g + r);
      const Vector low = hn::Set(d, bounds.s_min[tile]), high = hn::Set(d, bounds.s_max[tile]);
      const Vector slack = hn::Mul(hn::Set(d, 0x1p-22f), hn::Add(hn::Abs(s), hn::Max(hn::Abs(low), hn::Abs(high))));
      const Vector most = hn::Add(hn::Sub(s, low), slack),
                   least = hn::Sub(hn::Sub(s, high), slack);  // s_i - s_j within
      if constexpr (form == Form::separable) {
        bound = hn::Add(bound, hn::Max(hn::Mul(g, most), hn::Mul(g, least)));
      } else {
        const Vector zero = hn::Zero(d);
        const Vector near = hn::Max(zero, hn::Max(least, hn::Neg(most))), far = hn::Max(hn::Abs(least), hn::Abs(most));
        const Log2 a = log2_kernel(near), b = log2_kernel(far);
        bound = hn::Sub(bound, hn::Min(hn::Mul(g, hn::Add(a.whole, a.rest)), hn::Mul(g, hn::Add(b.whole, b.rest))));
      }
    }
    bound = hn::Sub(bound, hn::LoadU(d, reference + r));
    if (sum != nullptr) {  // its exponent
      const auto bits = hn::BitCast(di, hn::LoadU(d, sum + r));
      bound = hn::Sub(bound, hn::ConvertTo(d, hn::Sub(hn::ShiftRight<23>(bits), hn::Set(di, 127))));
    }
    const auto within = mask_of({0, rows.count}, r);
    if (!hn::AllTrue(d, hn::Or(hn::Lt(bound, hn::Zero(d)), hn::Not(within)))) return false;
  }
  return true;
}

// The largest end over rows [begin, end) of a tile, rounded up to a multiple of 16: the columns a strip has to compute.
inline int64_t strip_columns(const Setting& setting, int64_t keys, const Rows& rows, int64_t end, int64_t first_key) {
  return padded(std::max<int64_t>(0, visible(setting, keys, rows.index + end - 1, first_key).end));
}

}  // namespace longhaul::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
