// The f32 matrix product of the CPU.
#pragma once
#include <cstdint>

namespace longhaul {

// C [rows, columns] = A [rows, depth] B [depth, columns], or C + A B.
struct ProductTask {
  int64_t rows, columns, depth;
  const float* a;
  int64_t a_row, a_step;  // A[r, k] = a[r * a_row + k * a_step]
  const float* b;
  int64_t b_step, b_column;  // B[k, c] = b[k * b_step + c * b_column]
  float* c;
  int64_t c_row;  // C's rows are contiguous
  bool add;
};

// Every number of C is one sum over k in an order that depends on `depth` alone: the same bits on any thread count, and whatever
// rows and columns are beside it.
void product_cpu(const ProductTask& task);

// The same for a few rows, without packing anything: a_step and b_step must be 1. The order of a sum is another than above.
void product_few_rows_cpu(const ProductTask& task);

}  // namespace longhaul
