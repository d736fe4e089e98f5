// Weights of a model that are packed where they are: the parameter stays the tensor that it was, for everybody who holds it, but its
// numbers are kept as a PackedMatrix alone.
#pragma once
#include <cstdint>
#include <vector>

#include "ops/linear/packed_matrix.h"
#include "ops/tensor.h"

namespace longhaul {

// weight [out, in], or a stack [E, out, in] of them; f32, contiguous, on the CPU. Its own memory is given back, that of all views of
// it too: reading them is an error from now on, whoever multiplies by the weight (linear, embedding_rows, the head) reads the panels.
void pack_weight(const Tensor& weight, WeightType type);

// The same from rows that come in their order from elsewhere (a file), so that the plain tensor's memory is never touched.
class WeightPacker {
 public:
  WeightPacker(const Tensor& weight, WeightType type);
  int64_t rows() const { return rows_; }       // that were added, of all matrices
  void add(const float* from, int64_t count);  // the next rows, contiguous
  void add_transposed(const float* from);      // the whole of one matrix from its transpose [in, out], contiguous
  void finish();                               // all rows are there: the weight is packed from now on

 private:
  int64_t take(const float* from, int64_t count);  // of the matrix at hand, as many as go at once
  Tensor weight_;
  WeightType type_;
  int64_t matrix_rows_, depth_, rows_ = 0;
  std::vector<PackedMatrix> matrices_;
  std::vector<float> pending_;  // rows of a panel that is not whole yet
};

// Null for a tensor that holds plain numbers, and for a stack.
const PackedMatrix* packed_matrix(const Tensor& weight);
// Bytes of the packed form; 0 for plain tensors.
int64_t packed_bytes(const Tensor& weight);
// Matrix i of a stack, packed or plain.
Tensor stacked_weight(const Tensor& stack, int64_t i);

// out [T, out] = x [T, in] weight^T + bias, bias [out] or undefined. f32 on the CPU; no gradients.
void packed_affine_into(const Tensor& out, const Tensor& x, const PackedMatrix& weight, const Tensor& bias);
// Rows `tokens` [T] int64, which must be in [0, out) -> [T, in] f32.
Tensor packed_rows(const PackedMatrix& weight, const Tensor& tokens);

}  // namespace longhaul
