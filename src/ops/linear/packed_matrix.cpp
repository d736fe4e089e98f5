// Memory of packed weights, and which kernel takes a product.
#include "ops/linear/packed_matrix.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <bit>

#include "ops/linear/packed_kernels.h"

namespace longhaul {

namespace {

constexpr int64_t kTileRows = 24;          // whole tiles of every target (8, 6)
constexpr int64_t kGrainBytes = 64 << 10;  // of the weight that are worth a thread

}  // namespace

const char* name_of(WeightType type) {
  return type == WeightType::f32 ? "f32" : type == WeightType::bf16 ? "bf16" : "int8";
}

int64_t PackedMatrix::bytes() const {
  const int64_t all_scales = scales ? panels() * groups() * kPanelRows * static_cast<int64_t>(sizeof(float)) : 0;
  return panels() * panel_bytes() + all_scales;
}

PackedMatrix packed_memory(int64_t rows, int64_t depth, WeightType type) {
  PackedMatrix packed{type, rows, depth, nullptr, nullptr};
  const int64_t padded = packed.panels() * kPanelRows;
  packed.numbers = new_stream_memory(packed.panels() * packed.panel_bytes());
  if (type == WeightType::int8)
    packed.scales = new_stream_memory(padded * packed.groups() * static_cast<int64_t>(sizeof(float)));
  return packed;
}

void pack_rows(const PackedMatrix& packed, int64_t row, int64_t count, const PlainRows& from) {
  const int64_t first = row / kPanelRows, last = (row + count + kPanelRows - 1) / kPanelRows;
  at::parallel_for(first, last, 1, [&](int64_t begin, int64_t end) {
    const float* begins = from.data + (begin - first) * kPanelRows * from.row;
    kernels::pack_panels({begins, from.row, from.step}, packed, begin, end);
  });
}

void multiply_packed(const PackedProduct& product) {
  const PackedMatrix& weight = product.weight;
  if (product.rows == 0) return;
  const bool few = product.rows < kernels::kFewRows;
  const auto multiply = [&](int64_t row_begin, int64_t row_end, int64_t begin, int64_t end) {
    if (weight.type == WeightType::int8) return kernels::multiply_int8(product, row_begin, row_end, begin, end);
    few ? kernels::multiply_few_rows(product, begin, end)
        : kernels::multiply_many_rows(product, row_begin, row_end, begin, end);
  };
  if (!few && product.rows > weight.rows) {
    const int64_t tiles = (product.rows + kTileRows - 1) / kTileRows;
    at::parallel_for(0, tiles, 1, [&](int64_t begin, int64_t end) {
      multiply(begin * kTileRows, std::min(end * kTileRows, product.rows), 0, weight.panels());
    });
    return;
  }
  const int64_t grain = few ? std::max<int64_t>(kGrainBytes / std::max<int64_t>(weight.panel_bytes(), 1), 1) : 1;
  at::parallel_for(0, weight.panels(), grain,
                   [&](int64_t begin, int64_t end) { multiply(0, product.rows, begin, end); });
}

void unpack_row(const PackedMatrix& weight, int64_t row, float* to) {
  const std::byte* panel = weight.panel(row / kPanelRows);
  const int64_t r = row % kPanelRows, depth = weight.depth;
  if (weight.type == WeightType::f32) {
    const auto* numbers = reinterpret_cast<const float*>(panel) + r;
    for (int64_t k = 0; k < depth; ++k) to[k] = numbers[k * kPanelRows];
  } else if (weight.type == WeightType::bf16) {
    constexpr int64_t kHalf = kPanelRows / 2;
    const auto* words = reinterpret_cast<const uint32_t*>(panel) + r % kHalf;
    for (int64_t k = 0; k < depth; ++k)
      to[k] = std::bit_cast<float>(r < kHalf ? words[k * kHalf] << 16 : words[k * kHalf] & 0xffff0000u);
  } else {
    const auto* pairs = reinterpret_cast<const int8_t*>(panel) + 2 * r;
    const float* scales = weight.panel_scales(row / kPanelRows) + r;
    for (int64_t k = 0; k < depth; ++k)
      to[k] = static_cast<float>(pairs[k / 2 * 2 * kPanelRows + k % 2]) * scales[k / kScaleGroup * kPanelRows];
  }
}

}  // namespace longhaul
