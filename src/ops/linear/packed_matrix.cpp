// Memory of packed weights, and which kernel takes a product.
#include "ops/linear/packed_matrix.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "ops/linear/packed_kernels.h"

namespace longhaul {

namespace {

// Fewer rows than this take each panel as it comes from memory, more of them a block at a time from the caches.
constexpr int64_t kFewRows = 12;
constexpr int64_t kTileRows = 24;          // whole tiles of every target (8, 6)
constexpr int64_t kGrainBytes = 64 << 10;  // of the weight that are worth a thread

}  // namespace

const char* name_of(WeightType type) {
  return type == WeightType::f32 ? "f32" : type == WeightType::bf16 ? "bf16" : "int8";
}

int64_t PackedMatrix::bytes() const {
  const int64_t all_scales = scales ? panels() * groups() * kPanelRows * static_cast<int64_t>(sizeof(float)) : 0;
  return panels() * kPanelRows * depth * element_bytes(type) + all_scales;
}

PackedMatrix packed_memory(int64_t rows, int64_t depth, WeightType type) {
  PackedMatrix packed{type, rows, depth, nullptr, nullptr};
  const int64_t padded = packed.panels() * kPanelRows;
  packed.numbers = new_stream_memory(padded * depth * element_bytes(type));
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
  if (product.rows < kFewRows) {
    const int64_t panel_bytes = std::max<int64_t>(kPanelRows * weight.depth * element_bytes(weight.type), 1);
    at::parallel_for(0, weight.panels(), std::max<int64_t>(kGrainBytes / panel_bytes, 1),
                     [&](int64_t begin, int64_t end) { kernels::multiply_few_rows(product, begin, end); });
    return;
  }
  if (product.rows > weight.rows) {
    const int64_t tiles = (product.rows + kTileRows - 1) / kTileRows;
    at::parallel_for(0, tiles, 1, [&](int64_t begin, int64_t end) {
      kernels::multiply_many_rows(product, begin * kTileRows, std::min(end * kTileRows, product.rows), 0,
                                  weight.panels());
    });
    return;
  }
  at::parallel_for(0, weight.panels(), 1, [&](int64_t begin, int64_t end) {
    kernels::multiply_many_rows(product, 0, product.rows, begin, end);
  });
}

}  // namespace longhaul
