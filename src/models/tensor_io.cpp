#include "models/tensor_io.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace longhaul {

namespace {

constexpr std::array<std::pair<DType, at::ScalarType>, 13> kTypes = {{{DType::f64, at::kDouble},
                                                                      {DType::f32, at::kFloat},
                                                                      {DType::f16, at::kHalf},
                                                                      {DType::bf16, at::kBFloat16},
                                                                      {DType::i64, at::kLong},
                                                                      {DType::i32, at::kInt},
                                                                      {DType::i16, at::kShort},
                                                                      {DType::i8, at::kChar},
                                                                      {DType::u64, at::kUInt64},
                                                                      {DType::u32, at::kUInt32},
                                                                      {DType::u16, at::kUInt16},
                                                                      {DType::u8, at::kByte},
                                                                      {DType::boolean, at::kBool}}};

}  // namespace

at::ScalarType scalar_type_of(DType dtype) {
  for (auto [file, torch] : kTypes)
    if (file == dtype) return torch;
  fail("no tensor type for ", name_of(dtype));
}

DType dtype_of(at::ScalarType type) {
  for (auto [file, torch] : kTypes)
    if (torch == type) return file;
  fail("safetensors has no dtype for ", type);
}

Tensor to_tensor(const TensorView& view) {
  Tensor tensor = at::empty(view.shape, at::TensorOptions(scalar_type_of(view.dtype)));
  if (!view.bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
  return tensor;
}

Tensor to_tensor(const TensorView& view, at::ScalarType dtype) { return to_tensor(view).to(dtype); }

Tensor borrow_tensor(const TensorView& view) {
  const auto address = reinterpret_cast<uintptr_t>(view.bytes.data());
  if (view.bytes.empty() || address % static_cast<uintptr_t>(size_of(view.dtype)) != 0) return to_tensor(view);
  auto* data = const_cast<std::byte*>(view.bytes.data());  // at::from_blob takes no pointer to const
  return at::from_blob(data, view.shape, at::TensorOptions(scalar_type_of(view.dtype)));
}

NamedTensor to_named(const std::string& name, const Tensor& tensor) {
  check(tensor.is_contiguous() && tensor.device().is_cpu(), "tensor '", name,
        "' must be contiguous and on the CPU to be written");
  auto* data = static_cast<const std::byte*>(tensor.const_data_ptr());
  return {name, dtype_of(tensor.scalar_type()), tensor.sizes().vec(), {data, tensor.nbytes()}};
}

}  // namespace longhaul
