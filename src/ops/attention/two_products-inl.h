// Two products side by side, for single rows, which wait for memory. Included once per target, as Highway's own *-inl.h are.
#if defined(LH_ATTENTION_TWO_PRODUCTS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LH_ATTENTION_TWO_PRODUCTS_INL
#undef LH_ATTENTION_TWO_PRODUCTS_INL
#else
#define LH_ATTENTION_TWO_PRODUCTS_INL
#endif

#include <algorithm>

#include "ops/attention/products-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::HWY_NAMESPACE {

// Numbers behind those at hand that memory is asked for, so that it has work between a tile and the next: 2 KiB in each of two streams
// are a tenth faster than none, 8 KiB no faster than none (Zen 4).
constexpr int64_t kAhead = 512;

constexpr int kTurnVectors = 4;
HWY_INLINE bool fits_turns(int64_t columns) { return columns % (kTurnVectors * lanes()) == 0; }

// Two products of one row each, step by step in turns: memory gives more to two streams than to one. As many steps each, if they are
// to stay together; else one behind the other. The bits are those of product().
template <Into into_x, Into into_y>
HWY_NOINLINE HWY_ATTR void two_products(const Product& x, const Product& y) {
  const Floats d;
  const int64_t n = lanes(), block = kTurnVectors * n;
  const bool together = fits_turns(x.columns) && fits_turns(y.columns) && x.columns * x.depth == y.columns * y.depth;
  if (!together) {
    product<into_x>(x), product<into_y>(y);
    return;
  }
  Vector sum_x[1][kTurnVectors], sum_y[1][kTurnVectors];
  LH_UNROLL for (int v = 0; v < kTurnVectors; ++v) sum_x[0][v] = sum_y[0][v] = hn::Zero(d);
  for (int64_t kx = 0, ky = 0, column_x = 0, column_y = 0; column_x < x.columns;) {
    const int64_t count = std::min(x.depth - kx, y.depth - ky);
    const float *ax = x.a + kx * x.a_step, *bx = x.b + kx * x.b_row + column_x;
    const float *ay = y.a + ky * y.a_step, *by = y.b + ky * y.b_row + column_y;
    for (int64_t i = 0; i < count; ++i) {
      const Vector one = hn::Set(d, ax[i * x.a_step]), other = hn::Set(d, ay[i * y.a_step]);
      LH_UNROLL for (int v = 0; v < kTurnVectors; ++v) {
        sum_x[0][v] = hn::MulAdd(one, hn::LoadU(d, bx + i * x.b_row + v * n), sum_x[0][v]);
        sum_y[0][v] = hn::MulAdd(other, hn::LoadU(d, by + i * y.b_row + v * n), sum_y[0][v]);
        ask_for(bx + i * x.b_row + v * n + kAhead), ask_for(by + i * y.b_row + v * n + kAhead);
      }
    }
    kx += count, ky += count;
    if (kx == x.depth) {
      store_sums<into_x>(x, 0, column_x, sum_x);
      LH_UNROLL for (int v = 0; v < kTurnVectors; ++v) sum_x[0][v] = hn::Zero(d);
      kx = 0, column_x += block;
    }
    if (ky == y.depth) {
      store_sums<into_y>(y, 0, column_y, sum_y);
      LH_UNROLL for (int v = 0; v < kTurnVectors; ++v) sum_y[0][v] = hn::Zero(d);
      ky = 0, column_y += block;
    }
  }
}

}  // namespace longhaul::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
