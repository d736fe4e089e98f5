// x W^T for the many rows of a prompt, weights of f32 and bf16, over the panels as they lie: what product_cpu.cpp does, with nothing
// to pack but x.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/linear/packed_many_rows_cpu.cpp"
#include <hwy/aligned_allocator.h>
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>  // must come before highway.h

#include "ops/linear/packed_kernels.h"
#include "ops/linear/packed_panels-inl.h"

#ifndef LONGHAUL_OPS_LINEAR_PACKED_BLOCKS_
#define LONGHAUL_OPS_LINEAR_PACKED_BLOCKS_
namespace longhaul {
// A block of x lies in the second cache, a block of W in the third (decisions/002).
constexpr int64_t kBlockRows = 192, kBlockPanels = 48;
struct PackedScratch {
  hwy::AlignedFreeUniquePtr<float[]> x = hwy::AllocateAligned<float>((kBlockRows + 8) * kSumDepth);
  hwy::AlignedFreeUniquePtr<float[]> panel = hwy::AllocateAligned<float>(kSumDepth * kPanelRows);  // widened numbers
};
}  // namespace longhaul
#endif

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {

constexpr int kTileColumns = kTileVectors * hn::MaxLanes(PanelFloats());

// A tile of y [kTileRows, kTileColumns], and what is added to it.
struct Tile {
  const float* x;      // [depth][kTileRows]
  const float* panel;  // [depth][kPanelRows], from the tile's first column on
  int64_t depth;
  bool first;         // nothing was added before: y begins as the bias
  const float* bias;  // [kTileColumns] or null
};

HWY_INLINE void multiply_tile(const Tile& tile, float* HWY_RESTRICT y, int64_t y_row) {
  const PanelFloats d;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d));
  const float* HWY_RESTRICT x = tile.x;
  const float* HWY_RESTRICT w = tile.panel;
  PanelVector sum[kTileRows][kTileVectors];
  LH_UNROLL for (int r = 0; r < kTileRows; ++r) {
    LH_UNROLL for (int v = 0; v < kTileVectors; ++v) sum[r][v] = hn::Zero(d);
    hwy::Prefetch(y + r * y_row);
    hwy::Prefetch(y + r * y_row + n);
  }
  for (int64_t k = 0; k < tile.depth; ++k, x += kTileRows, w += kPanelRows) {
    PanelVector wk[kTileVectors];
    LH_UNROLL for (int v = 0; v < kTileVectors; ++v) wk[v] = hn::LoadU(d, w + v * n);
    LH_UNROLL for (int r = 0; r < kTileRows; ++r) {
      const PanelVector xk = hn::Set(d, x[r]);
      LH_UNROLL for (int v = 0; v < kTileVectors; ++v) sum[r][v] = hn::MulAdd(xk, wk[v], sum[r][v]);
    }
  }
  LH_UNROLL for (int v = 0; v < kTileVectors; ++v) {
    const PanelVector begin = tile.bias ? hn::LoadU(d, tile.bias + v * n) : hn::Zero(d);
    LH_UNROLL for (int r = 0; r < kTileRows; ++r) {
      float* to = y + r * y_row + v * n;
      const PanelVector before = tile.first ? begin : hn::LoadU(d, to);
      hn::StoreU(hn::Add(before, sum[r][v]), d, to);
    }
  }
}

// One block of x, packed, times one panel from depth k on.
template <WeightType type>
class PanelBlock {
 public:
  HWY_INLINE PanelBlock(const PackedProduct& product, int64_t panel, int64_t k, int64_t depth, float* widened)
      : product_(product), panel_(panel), k_(k), depth_(depth) {
    const std::byte* from = product.weight.panel(panel) + k * kPanelRows * element_bytes(type);
    if constexpr (type == WeightType::f32) {
      numbers_ = reinterpret_cast<const float*>(from);
      return;
    }
    const PanelFloats d;
    const int64_t n = static_cast<int64_t>(hn::Lanes(d));
    for (int64_t i = 0; i < depth; ++i, from += kPanelRows * element_bytes(type)) {
      PanelVector row[kPanelVectors];
      load_panel<type>(from, row);
      LH_UNROLL for (int v = 0; v < kPanelVectors; ++v) hn::Store(row[v], d, widened + i * kPanelRows + v * n);
    }
    numbers_ = widened;
  }

  // Rows [row, row + rows) of y, with x's tile at `x` [depth][kTileRows].
  HWY_INLINE void multiply(const float* x, int64_t row, int64_t rows) const {
    const int64_t columns = std::min(kPanelRows, product_.weight.rows - panel_ * kPanelRows);
    for (int64_t left = 0; left < columns; left += kTileColumns) {
      float* y = product_.y + row * product_.y_row + panel_ * kPanelRows + left;
      if (rows == kTileRows && left + kTileColumns <= columns) {
        multiply_tile(tile(x, left, bias(left)), y, product_.y_row);
      } else {
        multiply_edge(x, left, y, rows, std::min<int64_t>(kTileColumns, columns - left));
      }
    }
  }

 private:
  HWY_INLINE const float* bias(int64_t left) const {
    return product_.bias ? product_.bias + panel_ * kPanelRows + left : nullptr;
  }

  HWY_INLINE Tile tile(const float* x, int64_t left, const float* bias) const {
    return {x, numbers_ + left, depth_, k_ == 0, bias};
  }

  // A tile at y's edge, of which [rows, columns] are y's.
  HWY_INLINE void multiply_edge(const float* x, int64_t left, float* y, int64_t rows, int64_t columns) const {
    HWY_ALIGN float part[kTileRows * kTileColumns] = {}, bias_here[kTileColumns] = {};
    const size_t bytes = static_cast<size_t>(columns) * sizeof(float);
    if (product_.bias) std::memcpy(bias_here, bias(left), bytes);
    for (int64_t r = 0; r < rows && k_ > 0; ++r) std::memcpy(part + r * kTileColumns, y + r * product_.y_row, bytes);
    multiply_tile(tile(x, left, bias_here), part, kTileColumns);
    for (int64_t r = 0; r < rows; ++r) std::memcpy(y + r * product_.y_row, part + r * kTileColumns, bytes);
  }

  const PackedProduct& product_;
  const int64_t panel_, k_, depth_;
  const float* numbers_;  // [depth][kPanelRows]
};

template <WeightType type>
HWY_INLINE void multiply_many(const PackedProduct& product, int64_t row_begin, int64_t row_end, int64_t begin,
                              int64_t end, const PackedScratch& scratch) {
  for (int64_t left = begin; left < end; left += kBlockPanels) {
    const int64_t right = std::min(left + kBlockPanels, end);
    for (int64_t k = 0; k < product.weight.depth; k += kSumDepth) {
      const int64_t depth = std::min(kSumDepth, product.weight.depth - k);
      for (int64_t top = row_begin; top < row_end; top += kBlockRows) {
        const int64_t bottom = std::min(top + kBlockRows, row_end);
        for (int64_t row = top; row < bottom; row += kTileRows)
          pack_panel(product.x + row * product.x_row + k, product.x_row, 1, std::min<int64_t>(kTileRows, bottom - row),
                     depth, kTileRows, scratch.x.get() + (row - top) * depth);
        for (int64_t panel = left; panel < right; ++panel) {
          const PanelBlock<type> block(product, panel, k, depth, scratch.panel.get());
          for (int64_t row = top; row < bottom; row += kTileRows)
            block.multiply(scratch.x.get() + (row - top) * depth, row, std::min<int64_t>(kTileRows, bottom - row));
        }
      }
    }
  }
}

void MultiplyManyRows(const PackedProduct& product, int64_t row_begin, int64_t row_end, int64_t begin, int64_t end) {
  thread_local const PackedScratch scratch;
  if (product.weight.type == WeightType::f32)
    return multiply_many<WeightType::f32>(product, row_begin, row_end, begin, end, scratch);
  multiply_many<WeightType::bf16>(product, row_begin, row_end, begin, end, scratch);
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
HWY_EXPORT(MultiplyManyRows);

void kernels::multiply_many_rows(const PackedProduct& product, int64_t row_begin, int64_t row_end, int64_t begin,
                                 int64_t end) {
  HWY_DYNAMIC_DISPATCH(MultiplyManyRows)(product, row_begin, row_end, begin, end);
}

}  // namespace longhaul
#endif
