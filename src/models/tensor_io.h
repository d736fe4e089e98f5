// Between LibTorch's tensors and the bytes of files.
#pragma once
#include <string>

#include "io/safetensors.h"
#include "ops/tensor.h"

namespace longhaul {

at::ScalarType scalar_type_of(DType dtype);
DType dtype_of(at::ScalarType type);
// A copy in the file's dtype, or converted.
Tensor to_tensor(const TensorView& view);
Tensor to_tensor(const TensorView& view, at::ScalarType dtype);
// The bytes themselves, which must outlive the result and are not to be written; a copy where they do not lie at a multiple of
// the element's size.
Tensor borrow_tensor(const TensorView& view);
// The bytes of a contiguous CPU tensor, which must outlive the result.
NamedTensor to_named(const std::string& name, const Tensor& tensor);

}  // namespace longhaul
