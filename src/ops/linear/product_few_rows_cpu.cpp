// x W^T for the few rows of decoding: the weight is read once, where it lies, and that is all the time it takes.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/linear/product_few_rows_cpu.cpp"
#include <ATen/Parallel.h>
#include <hwy/foreach_target.h>  // must come before highway.h

#include <algorithm>

#include "ops/linear/product_cpu.h"
#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {

#define LH_UNROLL _Pragma("GCC unroll 16")

// kRows dot products with one row of the weight, which memory then gives as one stream. Each is summed in the same order whatever
// rows are beside it.
template <int kRows>
HWY_INLINE void dot_products(const ProductTask& task, int64_t row, int64_t column) {
  const Floats d;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d)), whole = task.depth / n * n;
  const float* a = task.a + row * task.a_row;
  const float* b = task.b + column * task.b_column;
  FloatVector sum[kRows];
  LH_UNROLL for (int r = 0; r < kRows; ++r) sum[r] = hn::Zero(d);
  for (int64_t k = 0; k < whole; k += n) {
    const FloatVector bk = hn::LoadU(d, b + k);
    LH_UNROLL for (int r = 0; r < kRows; ++r) sum[r] = hn::MulAdd(hn::LoadU(d, a + r * task.a_row + k), bk, sum[r]);
  }
  if (const int64_t rest = task.depth - whole; rest > 0) {
    const FloatVector bk = load_some(b + whole, rest, 0);
    LH_UNROLL for (int r = 0; r < kRows; ++r) sum[r] =
        hn::MulAdd(load_some(a + r * task.a_row + whole, rest, 0), bk, sum[r]);
  }
  LH_UNROLL for (int r = 0; r < kRows; ++r) {
    float* to = task.c + (row + r) * task.c_row + column;
    *to = sum_of(sum[r]) + (task.add ? *to : 0.0f);
  }
}

void multiply_columns(const ProductTask& task, int64_t begin, int64_t end) {
  for (int64_t column = begin; column < end; ++column) {
    int64_t row = 0;
    for (; row + 4 <= task.rows; row += 4) dot_products<4>(task, row, column);
    for (; row < task.rows; ++row) dot_products<1>(task, row, column);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
namespace {

HWY_EXPORT(multiply_columns);

constexpr int64_t kGrain = 1 << 16;  // numbers of the weight that are worth a thread

}  // namespace

void product_few_rows_cpu(const ProductTask& task) {
  const int64_t grain = std::max<int64_t>(kGrain / std::max<int64_t>(task.depth, 1), 4);
  at::parallel_for(0, task.columns, grain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(multiply_columns)(task, begin, end);
  });
}

}  // namespace longhaul
#endif
