// Rows of a table of token embeddings.
#pragma once
#include "ops/tensor.h"

namespace longhaul {

// table [V, C], a parameter (leaf); tokens [T] int64 -> [T, C]. Backward adds the rows straight into table.grad(): a dense
// gradient of the whole vocabulary would be made, filled with zeros and added for the few rows of a batch. So it is for
// backward(), not for autograd::grad(); gradients are the same bits on any thread count. A packed table (packed_weight.h) has no
// gradients. Error on a token outside the table.
Tensor embedding_rows(const Tensor& table, const Tensor& tokens);

}  // namespace longhaul
