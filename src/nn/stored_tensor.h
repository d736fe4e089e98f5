// How the tensors of a checkpoint lie in a model's parameters, whose layout is the model's own (queries, keys and values in one
// matrix, all experts in one tensor). One declaration says how a tensor is read and how it is written.
#pragma once
#include <string>
#include <vector>

#include "ops/tensor.h"

namespace longhaul {

struct StoredTensor {
  std::string name;            // in the checkpoint
  std::vector<int64_t> shape;  // in the checkpoint
  // Views of parameters' memory that, one behind the other along `axis`, are the stored tensor, or one of its shape with some
  // dimensions split: [H, 3, D, C] for the rows of [3 H D, C].
  std::vector<Tensor> parts;
  int64_t axis = 0;
};

// The stored tensor's values into the parameters that hold them, in their dtype. `values` is of the stored shape.
void take_stored(const StoredTensor& stored, const Tensor& values);
// The stored tensor as it is to be written: contiguous, and no copy where a part lies so.
Tensor give_stored(const StoredTensor& stored);

}  // namespace longhaul
