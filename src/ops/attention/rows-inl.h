// What attention does to rows of logits between the products: what a row sees, and its bias.
#if defined(LH_ATTENTION_ROWS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LH_ATTENTION_ROWS_INL
#undef LH_ATTENTION_ROWS_INL
#else
#define LH_ATTENTION_ROWS_INL
#endif

#include <hwy/contrib/math/math-inl.h>

#include <cmath>

#include "ops/attention/attention_kernels.h"
#include "ops/attention/powers-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::HWY_NAMESPACE {
using namespace longhaul::kernels;

// Columns [begin, end) of a tile that a row may see.
struct Span {
  int64_t begin, end;
  bool full() const { return begin <= 0 && end >= kKeyTile; }
};
inline Span visible(const Setting& setting, int64_t keys, int64_t index, int64_t first_key) {
  const int64_t end = seen_end(setting, keys, index) - first_key;
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

// The largest end over rows [begin, end) of a tile, rounded up to a multiple of 16: the columns a strip has to compute.
inline int64_t strip_columns(const Setting& setting, int64_t keys, const Rows& rows, int64_t end, int64_t first_key) {
  return padded(std::max<int64_t>(0, visible(setting, keys, rows.index + end - 1, first_key).end));
}

}  // namespace longhaul::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
