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

#include "ops/linear/product_cpu.h"
#include "ops/simd-inl.h"

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

#define LH_UNROLL _Pragma("GCC unroll 16")

// The tile of sums in registers: 8 x 2 vectors where there are 32 registers, 6 x 2 where there are 16.
constexpr int kTileRows = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON ? 8 : 6;
constexpr int kTileVectors = 2;
HWY_INLINE int64_t tile_columns() { return kTileVectors * static_cast<int64_t>(hn::Lanes(Floats())); }

#if HWY_TARGET != HWY_SCALAR
// Blocks of 4 x 4 of lines that lie side by side are turned in registers. Returns how many of the lines it took.
HWY_INLINE int64_t pack_turned(const float* from, int64_t line, int64_t lines, int64_t depth, int64_t width,
                               float* to) {
  const hn::FixedTag<float, 4> d;
  const int64_t groups = lines / 4 * 4, steps = depth / 4 * 4;
  for (int64_t i = 0; i < groups; i += 4) {
    const float* rows = from + i * line;
    for (int64_t k = 0; k < steps; k += 4) {
      const auto r0 = hn::LoadU(d, rows + k), r1 = hn::LoadU(d, rows + line + k);
      const auto r2 = hn::LoadU(d, rows + 2 * line + k), r3 = hn::LoadU(d, rows + 3 * line + k);
      const auto low01 = hn::InterleaveLower(d, r0, r1), low23 = hn::InterleaveLower(d, r2, r3);
      const auto high01 = hn::InterleaveUpper(d, r0, r1), high23 = hn::InterleaveUpper(d, r2, r3);
      float* column = to + k * width + i;
      hn::StoreU(hn::ConcatLowerLower(d, low23, low01), d, column);
      hn::StoreU(hn::ConcatUpperUpper(d, low23, low01), d, column + width);
      hn::StoreU(hn::ConcatLowerLower(d, high23, high01), d, column + 2 * width);
      hn::StoreU(hn::ConcatUpperUpper(d, high23, high01), d, column + 3 * width);
    }
    for (int64_t k = steps; k < depth; ++k)
      for (int64_t r = 0; r < 4; ++r) to[k * width + i + r] = rows[r * line + k];
  }
  return groups;
}
#endif

// The panel of `width` lines (rows of A, columns of B) whose first number is at `from`: to[k * width + i] = from[i * line + k * step],
// 0 behind the last of `lines`.
HWY_INLINE void pack_panel(const float* from, int64_t line, int64_t step, int64_t lines, int64_t depth, int64_t width,
                           float* to) {
  if (lines < width) std::memset(to, 0, static_cast<size_t>(width * depth) * sizeof(float));
  if (line == 1) {
    for (int64_t k = 0; k < depth; ++k)
      std::memcpy(to + k * width, from + k * step, static_cast<size_t>(lines) * sizeof(float));
    return;
  }
  int64_t packed = 0;
#if HWY_TARGET != HWY_SCALAR
  if (step == 1) packed = pack_turned(from, line, lines, depth, width, to);
#endif
  for (int64_t i = packed; i < lines; ++i)
    for (int64_t k = 0; k < depth; ++k) to[k * width + i] = from[i * line + k * step];
}

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
