// The f32 product in blocks that stay in the caches (Goto and van de Geijn 2008): B is packed into panels as wide as a register
// tile, A into panels as high, and the tile's sums stay in registers over a whole block of the depth.
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/linear/product_cpu.cpp"
#include <ATen/Parallel.h>
#include <hwy/aligned_allocator.h>
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>  // must come before highway.h

#include <algorithm>
#include <cstring>

#include "ops/linear/panels-inl.h"
#include "ops/linear/product_cpu.h"

#ifndef LONGHAUL_OPS_LINEAR_PRODUCT_BLOCKS_
#define LONGHAUL_OPS_LINEAR_PRODUCT_BLOCKS_
namespace longhaul {
// Numbers. A block of A lies in the second cache, a block of B in the third.
constexpr int64_t kDepthBlock = 384, kRowBlock = 192, kColumnBlock = 1536;
constexpr int64_t kLargestTile = 8;  // rows

struct PackedBlocks {
  hwy::AlignedFreeUniquePtr<float[]> a = hwy::AllocateAligned<float>((kRowBlock + kLargestTile) * kDepthBlock);
  hwy::AlignedFreeUniquePtr<float[]> b = hwy::AllocateAligned<float>((kColumnBlock + 64) * kDepthBlock);
};
}  // namespace longhaul
#endif

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {

HWY_INLINE int64_t tile_columns() { return kTileVectors * static_cast<int64_t>(hn::Lanes(Floats())); }

// One tile of sums over packed panels, stored at or added to `c`.
HWY_INLINE void multiply_tile(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, int64_t depth,
                              float* HWY_RESTRICT c, int64_t c_row, bool add) {
  const Floats d;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d));
  FloatVector sum[kTileRows][kTileVectors];
  LH_UNROLL for (int r = 0; r < kTileRows; ++r) {
    LH_UNROLL for (int v = 0; v < kTileVectors; ++v) sum[r][v] = hn::Zero(d);
    hwy::Prefetch(c + r * c_row);
    hwy::Prefetch(c + r * c_row + n);
  }
  for (int64_t k = 0; k < depth; ++k) {
    FloatVector bk[kTileVectors];
    LH_UNROLL for (int v = 0; v < kTileVectors; ++v) bk[v] = hn::Load(d, b + v * n);
    LH_UNROLL for (int r = 0; r < kTileRows; ++r) {
      const FloatVector ar = hn::Set(d, a[r]);
      LH_UNROLL for (int v = 0; v < kTileVectors; ++v) sum[r][v] = hn::MulAdd(ar, bk[v], sum[r][v]);
    }
    a += kTileRows;
    b += kTileVectors * n;
  }
  LH_UNROLL for (int r = 0; r < kTileRows; ++r) {
    LH_UNROLL for (int v = 0; v < kTileVectors; ++v) {
      float* to = c + r * c_row + v * n;
      hn::StoreU(add ? hn::Add(hn::LoadU(d, to), sum[r][v]) : sum[r][v], d, to);
    }
  }
}

// A tile at C's edge, of which [rows, columns] are C's.
HWY_INLINE void multiply_edge(const float* a, const float* b, int64_t depth, float* c, int64_t c_row, bool add,
                              int64_t rows, int64_t columns) {
  HWY_ALIGN float tile[kTileRows * kTileVectors * hn::MaxLanes(Floats())];
  const int64_t width = tile_columns();
  multiply_tile(a, b, depth, tile, width, false);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < columns; ++j)
      c[r * c_row + j] = add ? c[r * c_row + j] + tile[r * width + j] : tile[r * width + j];
}

// The part [row_begin, row_end) x [column_begin, column_end) of C over one block of the depth; B's block is packed.
HWY_INLINE void multiply_rows(const ProductTask& task, int64_t depth_begin, int64_t depth, int64_t row_begin,
                              int64_t row_end, int64_t column_begin, int64_t column_end, const PackedBlocks& packed) {
  const int64_t width = tile_columns();
  const bool add = task.add || depth_begin > 0;
  for (int64_t row = row_begin; row < row_end; row += kTileRows) {
    pack_panel(task.a + row * task.a_row + depth_begin * task.a_step, task.a_row, task.a_step,
               std::min<int64_t>(kTileRows, row_end - row), depth, kTileRows,
               packed.a.get() + (row - row_begin) * depth);
  }
  for (int64_t column = column_begin; column < column_end; column += width) {
    const float* b = packed.b.get() + (column - column_begin) * depth;
    const int64_t columns = std::min(width, column_end - column);
    for (int64_t row = row_begin; row < row_end; row += kTileRows) {
      const float* a = packed.a.get() + (row - row_begin) * depth;
      const int64_t rows = std::min<int64_t>(kTileRows, row_end - row);
      float* c = task.c + row * task.c_row + column;
      if (rows == kTileRows && columns == width)
        multiply_tile(a, b, depth, c, task.c_row, add);
      else
        multiply_edge(a, b, depth, c, task.c_row, add, rows, columns);
    }
  }
}

void multiply_part(const ProductTask& task, int64_t row_begin, int64_t row_end, int64_t column_begin,
                   int64_t column_end) {
  thread_local const PackedBlocks packed;
  const int64_t width = tile_columns();
  for (int64_t left = column_begin; left < column_end; left += kColumnBlock) {
    const int64_t right = std::min(left + kColumnBlock, column_end);
    for (int64_t k = 0; k < task.depth; k += kDepthBlock) {
      const int64_t depth = std::min(kDepthBlock, task.depth - k);
      for (int64_t column = left; column < right; column += width) {
        pack_panel(task.b + column * task.b_column + k * task.b_step, task.b_column, task.b_step,
                   std::min(width, right - column), depth, width, packed.b.get() + (column - left) * depth);
      }
      for (int64_t row = row_begin; row < row_end; row += kRowBlock)
        multiply_rows(task, k, depth, row, std::min(row + kRowBlock, row_end), left, right, packed);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
namespace {

HWY_EXPORT(multiply_part);

constexpr int64_t kPanel = 96;  // numbers: whole tiles of every target, of rows (8, 6) and of columns (32, 16, 8)

}  // namespace

// Threads share the longer side of C in whole panels, and each packs what it needs.
void product_cpu(const ProductTask& task) {
  const bool by_rows = task.rows > task.columns;
  const int64_t side = by_rows ? task.rows : task.columns, panels = (side + kPanel - 1) / kPanel;
  at::parallel_for(0, panels, 1, [&](int64_t first, int64_t last) {
    const int64_t begin = first * kPanel, end = std::min(last * kPanel, side);
    if (by_rows)
      HWY_DYNAMIC_DISPATCH(multiply_part)(task, begin, end, 0, task.columns);
    else
      HWY_DYNAMIC_DISPATCH(multiply_part)(task, 0, task.rows, begin, end);
  });
}

}  // namespace longhaul
#endif
