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

constexpr int64_t kAheadBytes = 2048;  // what is read now was asked for so many bytes ago

// kRows rows through kPanels neighbouring panels: their sums are what hides the latency of each other.
template <WeightType type, int kRows, int kPanels>
HWY_INLINE void multiply_panels(const PackedProduct& product, int64_t row, int64_t panel) {
  const PanelFloats d;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d)), step = sum_depth(type);
  const PackedMatrix& weight = product.weight;
  const float* x = product.x + row * product.x_row;
  constexpr int64_t kStepBytes = kPanelRows * element_bytes(type);
  const int64_t turn = weight.depth - kAheadBytes / kStepBytes;  // from here on what comes next lies in the next panels
  HWY_ALIGN float total[kRows][kPanels * kPanelRows];
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t i = 0; i < kPanels * kPanelRows; ++i) {
      const int64_t column = panel * kPanelRows + i;
      total[r][i] = product.bias && column < weight.rows ? product.bias[column] : 0.0f;
    }
  }
  for (int64_t first = 0; first < weight.depth; first += step) {
    const int64_t last = std::min(first + step, weight.depth);
    PanelVector sum[kRows][kPanels][kPanelVectors];
    LH_UNROLL for (int r = 0; r < kRows; ++r) {
      LH_UNROLL for (int p = 0; p < kPanels; ++p) {
        LH_UNROLL for (int v = 0; v < kPanelVectors; ++v) sum[r][p][v] = hn::Zero(d);
      }
    }
    if constexpr (type == WeightType::int8) {
      LH_UNROLL for (int p = 0; p < kPanels; ++p) {
        hwy::Prefetch(weight.panel_scales(panel + p) + first / step * kPanelRows);
        hwy::Prefetch(weight.panel_scales(panel + p) + first / step * kPanelRows + 16);
      }
    }
    const std::byte* at[kPanels];
    LH_UNROLL for (int p = 0; p < kPanels; ++p) at[p] = weight.panel(panel + p) + first * kStepBytes;
    for (int64_t k = first; k < last; ++k) {
      const int64_t ahead = kAheadBytes + (k < turn ? 0 : (kPanels - 1) * weight.depth * kStepBytes);
      LH_UNROLL for (int p = 0; p < kPanels; ++p) {
        PanelVector numbers[kPanelVectors];
        load_panel<type>(at[p], numbers);
        for (int64_t line = 0; line < kStepBytes; line += 64) hwy::Prefetch(at[p] + ahead + line);
        at[p] += kStepBytes;
        LH_UNROLL for (int r = 0; r < kRows; ++r) {
          const PanelVector xk = hn::Set(d, x[r * product.x_row + k]);
          LH_UNROLL for (int v = 0; v < kPanelVectors; ++v) sum[r][p][v] = hn::MulAdd(xk, numbers[v], sum[r][p][v]);
        }
      }
    }
    LH_UNROLL for (int p = 0; p < kPanels; ++p) {
      const float* scales =
          type == WeightType::int8 ? weight.panel_scales(panel + p) + first / step * kPanelRows : nullptr;
      LH_UNROLL for (int r = 0; r < kRows; ++r) {
        LH_UNROLL for (int v = 0; v < kPanelVectors; ++v) {
          float* to = total[r] + p * kPanelRows + v * n;
          hn::StoreU(add_sum<type>(hn::LoadU(d, to), sum[r][p][v], scales, v * n), d, to);
        }
      }
    }
  }
  const int64_t column = panel * kPanelRows, columns = std::min(kPanels * kPanelRows, weight.rows - column);
  for (int64_t r = 0; r < kRows; ++r)
    std::memcpy(product.y + (row + r) * product.y_row + column, total[r], static_cast<size_t>(columns) * sizeof(float));
}

template <WeightType type>
HWY_INLINE void multiply_few(const PackedProduct& product, int64_t begin, int64_t end) {
  constexpr int kPanels = kPanelVectors <= 4 ? 2 : 1;  // as many sums as there are registers for
  int64_t panel = begin;
  for (; product.rows == 1 && panel + kPanels <= end; panel += kPanels)
    multiply_panels<type, 1, kPanels>(product, 0, panel);
  for (; panel < end; ++panel) {
    int64_t row = 0;
    for (; row + 4 <= product.rows; row += 4) multiply_panels<type, 4, 1>(product, row, panel);
    if (row + 2 <= product.rows) multiply_panels<type, 2, 1>(product, row, panel), row += 2;
    if (row < product.rows) multiply_panels<type, 1, 1>(product, row, panel);
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
