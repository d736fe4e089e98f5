// The one matrix product under attention: C = A B on tiles that lie in the cache, register-blocked.
// All five products of a tile pair (Q K^T, P V, dO V^T, dS K and the transposed ones P^T dO, dS^T Q) are this function with
// other strides: A is read one scalar at a time, so either of its strides may be 1; rows of B and C are contiguous.
#if defined(LH_ATTENTION_PRODUCTS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LH_ATTENTION_PRODUCTS_INL
#undef LH_ATTENTION_PRODUCTS_INL
#else
#define LH_ATTENTION_PRODUCTS_INL
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace longhaul::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, 16>;  // tiles are padded to 16 columns
using Vector = hn::Vec<Floats>;
inline HWY_ATTR int64_t lanes() { return static_cast<int64_t>(hn::Lanes(Floats())); }

enum class Into { store, add, scale_and_add };  // C = AB, C = C + AB, C_r = f_r C_r + (AB)_r

struct Product {
  const float* a;
  int64_t a_row, a_step;  // A[r, k] = a[r * a_row + k * a_step]
  const float* b;
  int64_t b_row;
  float* c;
  int64_t c_row;
  int64_t rows, columns, depth;   // columns is a multiple of 16
  const float* factor = nullptr;  // [rows], of Into::scale_and_add
  const float* b_next = nullptr;  // rows like B's that memory is asked for meanwhile
};

#define LH_UNROLL _Pragma("GCC unroll 16")

// To the second cache: the first is too small for what is at hand and what comes.
HWY_INLINE void ask_for(const float* line) { __builtin_prefetch(line, 0, 2); }

// What C holds is added at the end, so that a tile of small terms is rounded on its own scale.
template <Into into, int kRows, int kVectors>
HWY_INLINE void store_sums(const Product& x, int64_t row, int64_t column, Vector (&sum)[kRows][kVectors]) {
  const Floats d;
  LH_UNROLL for (int r = 0; r < kRows; ++r) {
    LH_UNROLL for (int v = 0; v < kVectors; ++v) {
      float* to = x.c + (row + r) * x.c_row + column + v * lanes();
      if constexpr (into == Into::add) sum[r][v] = hn::Add(hn::LoadU(d, to), sum[r][v]);
      if constexpr (into == Into::scale_and_add) {
        sum[r][v] = hn::MulAdd(hn::LoadU(d, to), hn::Set(d, x.factor[row + r]), sum[r][v]);
      }
      hn::StoreU(sum[r][v], d, to);
    }
  }
}

// kRows x kVectors accumulators in registers, one pass over the depth. Sums run in the order of k in every blocking, so a row's
// bits do not depend on the rows beside it.
template <Into into, bool asks, int kRows, int kVectors>
HWY_INLINE void product_block(const Product& x, int64_t row, int64_t column) {
  const Floats d;
  const int64_t n = lanes();
  const float* HWY_RESTRICT a = x.a + row * x.a_row;
  const float* HWY_RESTRICT b = x.b + column;
  Vector sum[kRows][kVectors];
  LH_UNROLL for (int r = 0; r < kRows; ++r) { LH_UNROLL for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d); }
  for (int64_t k = 0; k < x.depth; ++k) {
    Vector bk[kVectors];
    LH_UNROLL for (int v = 0; v < kVectors; ++v) bk[v] = hn::LoadU(d, b + v * n);
    if constexpr (asks) {
      LH_UNROLL for (int v = 0; v < kVectors; ++v) ask_for(x.b_next + k * x.b_row + column + v * n);
    }
    LH_UNROLL for (int r = 0; r < kRows; ++r) {
      const Vector ar = hn::Set(d, a[r * x.a_row]);
      LH_UNROLL for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(ar, bk[v], sum[r][v]);
    }
    a += x.a_step;
    b += x.b_row;
  }
  store_sums<into>(x, row, column, sum);
}

inline constexpr bool kManyRegisters = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON;  // 32, else 16

// Few rows wait for their own sums: the more columns, the better.
template <Into into, bool asks, int kRows>
HWY_INLINE void product_columns(const Product& x, int64_t row) {
  const int64_t n = lanes();
  int64_t column = 0;
  if constexpr (kRows == 1 || (kManyRegisters && kRows <= 4)) {
    for (; column + 4 * n <= x.columns; column += 4 * n) product_block<into, asks, kRows, 4>(x, row, column);
  }
  for (; column + 2 * n <= x.columns; column += 2 * n) product_block<into, asks, kRows, 2>(x, row, column);
  for (; column < x.columns; column += n) product_block<into, asks, kRows, 1>(x, row, column);
}

// Asks for what comes next with the first rows only: once is enough.
template <Into into, bool asks, int kRows>
HWY_INLINE void product_rows(const Product& x, int64_t& row) {
  if (asks && row == 0) {
    product_columns<into, asks, kRows>(x, row);
  } else {
    product_columns<into, false, kRows>(x, row);
  }
  row += kRows;
}

template <Into into, bool asks = false>
HWY_NOINLINE HWY_ATTR void product(const Product& x) {
  constexpr int kRows = kManyRegisters ? 8 : 6;
  int64_t row = 0;
  while (row + kRows <= x.rows) product_rows<into, asks, kRows>(x, row);
  if (row + 4 <= x.rows) product_rows<into, asks, 4>(x, row);
  if (row + 3 == x.rows) return product_rows<into, asks, 3>(x, row);
  if (row + 2 <= x.rows) product_rows<into, asks, 2>(x, row);
  if (row < x.rows) product_rows<into, asks, 1>(x, row);
}

}  // namespace longhaul::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
