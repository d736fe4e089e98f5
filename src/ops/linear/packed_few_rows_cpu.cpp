// x W^T for the few rows of decoding: the packed weight is read once, as one stream, and that is all the time it takes.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/linear/packed_few_rows_cpu.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>  // must come before highway.h

#include "ops/linear/packed_kernels.h"
#include "ops/linear/packed_panels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {

constexpr int64_t kAheadBytes = 8192;  // what is read now was asked for so many bytes ago

// kRows rows through a panel. Panels lie behind each other: what is asked for at the end of one is the beginning of the next.
template <WeightType type, int kRows>
HWY_INLINE void multiply_panel(const PackedProduct& product, int64_t row, int64_t panel) {
  const PanelFloats d;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d)), step = sum_depth(type);
  const PackedMatrix& weight = product.weight;
  const float* x = product.x + row * product.x_row;
  const int64_t column = panel * kPanelRows, columns = std::min(kPanelRows, weight.rows - column);
  HWY_ALIGN float total[kRows][kPanelRows] = {};
  for (int64_t r = 0; r < kRows && product.bias; ++r) std::copy_n(product.bias + column, columns, total[r]);
  const std::byte* at = weight.panel(panel);
  for (int64_t first = 0; first < weight.depth; first += step) {
    const int64_t last = std::min(first + step, weight.depth);
    PanelVector sum[kRows][kPanelVectors];
    LH_UNROLL for (int r = 0; r < kRows; ++r) {
      LH_UNROLL for (int v = 0; v < kPanelVectors; ++v) sum[r][v] = hn::Zero(d);
    }
    const float* scales = type == WeightType::int8 ? weight.panel_scales(panel) + first / step * kPanelRows : nullptr;
    if constexpr (type == WeightType::int8) {
      for (int64_t line = 0; line < kPanelRows; line += 16) hwy::Prefetch(scales + line);
    }
    constexpr int64_t kStepBytes = kPanelRows * element_bytes(type);
    for (int64_t k = first; k < last; ++k, at += kStepBytes) {
      PanelVector numbers[kPanelVectors];
      load_panel<type>(at, numbers);
      LH_UNROLL for (int64_t line = 0; line < kStepBytes; line += 64) __builtin_prefetch(at + kAheadBytes + line, 0, 2);
      LH_UNROLL for (int r = 0; r < kRows; ++r) {
        const PanelVector xk = hn::Set(d, x[r * product.x_row + k]);
        LH_UNROLL for (int v = 0; v < kPanelVectors; ++v) sum[r][v] = hn::MulAdd(xk, numbers[v], sum[r][v]);
      }
    }
    LH_UNROLL for (int r = 0; r < kRows; ++r) {
      LH_UNROLL for (int v = 0; v < kPanelVectors; ++v) {
        float* to = total[r] + v * n;
        hn::StoreU(add_sum<type>(hn::LoadU(d, to), sum[r][v], scales, v * n), d, to);
      }
    }
  }
  for (int64_t r = 0; r < kRows; ++r) std::copy_n(total[r], columns, product.y + (row + r) * product.y_row + column);
}

template <WeightType type>
HWY_INLINE void multiply_few(const PackedProduct& product, int64_t begin, int64_t end) {
  for (int64_t panel = begin; panel < end; ++panel) {
    int64_t row = 0;
    for (; row + 4 <= product.rows; row += 4) multiply_panel<type, 4>(product, row, panel);
    if (row + 2 <= product.rows) multiply_panel<type, 2>(product, row, panel), row += 2;
    if (row < product.rows) multiply_panel<type, 1>(product, row, panel);
  }
}

void MultiplyFewRows(const PackedProduct& product, int64_t begin, int64_t end) {
  switch (product.weight.type) {
    case WeightType::f32: return multiply_few<WeightType::f32>(product, begin, end);
    case WeightType::bf16: return multiply_few<WeightType::bf16>(product, begin, end);
    case WeightType::int8: return multiply_few<WeightType::int8>(product, begin, end);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
HWY_EXPORT(MultiplyFewRows);

void kernels::multiply_few_rows(const PackedProduct& product, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(MultiplyFewRows)(product, begin, end);
}

}  // namespace longhaul
#endif
