// Which key tiles a query tile need not look at, because they provably weigh next to nothing.
#if defined(LH_ATTENTION_SKIPPING_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LH_ATTENTION_SKIPPING_INL
#undef LH_ATTENTION_SKIPPING_INL
#else
#define LH_ATTENTION_SKIPPING_INL
#endif

#include "ops/attention/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::HWY_NAMESPACE {

// Whether every row weighs keys within `bounds` by less than eps: for all rows r |q_r| max|k| + max bias + log2(count)
// - reference_r - floor(log2 sum_r) < log2(eps). In forward reference and sum are the running maximum and sum (so what
// is skipped is less than eps of what is kept), in backward the row's lse (sum null). `nearest` is the smallest
// distance i - j in question. The s here are floats: their rounding is made up for by 2^-22 (|s_i| + |s_j|).
template <Form form>
HWY_INLINE bool negligible(const Setting& setting, const Keys& keys, const Rows& rows, const KeyBounds& bounds,
                           int64_t tile, int64_t count, int64_t nearest, const float* reference, const float* sum) {
  if constexpr (form == Form::none || form == Form::dense || form == Form::separable_both) return false;
  if (bounds.k_norm == nullptr) return false;
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

}  // namespace longhaul::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
