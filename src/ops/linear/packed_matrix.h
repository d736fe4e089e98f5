// A weight as inference reads it: stored once, in the order in which its products take it. Free of tensors.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/memory.h"
#include "ops/linear/weight_type.h"

namespace longhaul {

constexpr int64_t kPanelRows = 32;    // rows of the weight that a panel holds side by side
constexpr int64_t kSumDepth = 384;    // products whose sum begins at zero
constexpr int64_t kScaleGroup = 128;  // numbers of a row of int8 that share a scale; divides kSumDepth

constexpr int64_t element_bytes(WeightType type) {
  return type == WeightType::f32 ? 4 : type == WeightType::bf16 ? 2 : 1;
}

// Bytes that a number takes, with its share of a scale.
constexpr double held_bytes(WeightType type) {
  const double scale = type == WeightType::int8 ? 4.0 / kScaleGroup : 0;
  return static_cast<double>(element_bytes(type)) + scale;
}

// W [rows, depth] in panels of kPanelRows rows, zeros behind the last. Panel p holds, for k = 0, 1, ..., the number k of each of its
// rows; bf16 pairs rows r and r + 16, so that a word of 32 bits gives both with a shift and a mask; int8 pairs numbers k and k + 1 of
// a row, whose products are added in one step, with a zero behind an odd depth.
struct PackedMatrix {
  WeightType type = WeightType::f32;
  int64_t rows = 0, depth = 0;
  std::unique_ptr<std::byte[], FreeMemory> numbers;
  std::unique_ptr<std::byte[], FreeMemory> scales;  // int8: f32 [panels][groups][kPanelRows]

  int64_t panels() const { return (rows + kPanelRows - 1) / kPanelRows; }
  int64_t groups() const { return (depth + kScaleGroup - 1) / kScaleGroup; }
  int64_t bytes() const;  // of numbers and scales
  int64_t stored_depth() const { return type == WeightType::int8 ? depth + depth % 2 : depth; }
  int64_t panel_bytes() const { return kPanelRows * stored_depth() * element_bytes(type); }
  std::byte* panel(int64_t p) const { return numbers.get() + p * panel_bytes(); }
  float* panel_scales(int64_t p) const { return reinterpret_cast<float*>(scales.get()) + p * groups() * kPanelRows; }
};

// Number k of row r is data[r * row + k * step]; one of the two steps is 1.
struct PlainRows {
  const float* data;
  int64_t row, step = 1;
};

// Memory for a matrix; then rows [row, row + count) of it, where row is the first of a panel and count whole panels or the rest of the
// matrix.
PackedMatrix packed_memory(int64_t rows, int64_t depth, WeightType type);
void pack_rows(const PackedMatrix& packed, int64_t row, int64_t count, const PlainRows& from);
// Row `row` of what is stored -> to [depth].
void unpack_row(const PackedMatrix& weight, int64_t row, float* to);

// y [rows, weight.rows] = x [rows, weight.depth] W^T + bias.
struct PackedProduct {
  const PackedMatrix& weight;
  int64_t rows;
  const float* x;
  int64_t x_row;      // numbers from one row to the next; a row is contiguous
  const float* bias;  // [weight.rows] or null
  float* y;
  int64_t y_row;
};

// Every number of y is ((bias + s_0) + s_1) + ...: the same bits in any batch of rows and on any thread count. Each s_i is the sum of
// kSumDepth products from zero in the order of the depth; for int8 of the products of a scale group, in whole numbers, times the scale
// (packed_int8_cpu.cpp): numbers of x are rounded to multiples of 2^-30 of a power of two above the largest of their group, their
// products and sums are exact, and each sum is then rounded to f32.
void multiply_packed(const PackedProduct& product);

}  // namespace longhaul
