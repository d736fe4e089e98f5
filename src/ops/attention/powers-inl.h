// The two transcendental functions of attention's inner loops, over vectors of floats.
#if defined(LH_ATTENTION_POWERS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LH_ATTENTION_POWERS_INL
#undef LH_ATTENTION_POWERS_INL
#else
#define LH_ATTENTION_POWERS_INL
#endif

#include "ops/attention/products-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::HWY_NAMESPACE {

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

// log2(1 + u^2) as a whole number and a rest of at most 1/2, so that a product with it rounds only once. The rest is
// log2(m) = t p(t^2), t = (m - 1) / (m + 1), m in [1/sqrt(2), sqrt(2)); p is minimax (relative error 8e-10).
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

}  // namespace longhaul::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
