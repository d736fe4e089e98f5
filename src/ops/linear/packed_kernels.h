// The vector code of packed weights (packed_*_cpu.cpp). One thread each.
#pragma once
#include "ops/linear/packed_matrix.h"

namespace longhaul::kernels {

// Fewer rows than this take each panel as it comes from memory, more of them a block at a time from the caches.
constexpr int64_t kFewRows = 12;

// Fills panels [begin, end) from the rows behind the first of panel `begin`.
void pack_panels(const PlainRows& rows, const PackedMatrix& packed, int64_t begin, int64_t end);

// For weights of f32 and bf16. Columns of y that panels [begin, end) give; each panel comes from memory once for every four rows.
void multiply_few_rows(const PackedProduct& product, int64_t begin, int64_t end);
// The same for rows [row_begin, row_end), in blocks that stay in the caches.
void multiply_many_rows(const PackedProduct& product, int64_t row_begin, int64_t row_end, int64_t begin, int64_t end);
// For weights of int8, of few rows and of many.
void multiply_int8(const PackedProduct& product, int64_t row_begin, int64_t row_end, int64_t begin, int64_t end);

}  // namespace longhaul::kernels
