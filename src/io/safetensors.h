// The safetensors container, memory-mapped. Every bound of a file from a stranger is checked before use (spec:
// 8-byte little-endian header length, JSON header, tensors without gaps or overlap). Free of LibTorch.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"

namespace longhaul {

enum class DType { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean };
int64_t size_of(DType dtype);      // bytes of one element
const char* name_of(DType dtype);  // "F32", as in the file
DType dtype_from_name(const std::string& name, const std::string& where);
// Bytes of a tensor. Error where a dimension is negative, or where they, those of 0 left out, ask for 2^63 bytes or more: the
// dimensions may then be multiplied in any order.
int64_t checked_bytes(DType dtype, const std::vector<int64_t>& shape, const std::string& where);

struct TensorView {
  DType dtype;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;  // row-major, as long as the file is mapped
  int64_t numel() const;
};

class SafetensorsFile {
 public:
  // Error "<path>: ..." for a truncated file, a lying header, overlapping or out-of-range offsets, bad dtypes or
  // shapes.
  static SafetensorsFile open(const std::string& path);
  static SafetensorsFile parse(std::span<const std::byte> bytes,
                               const std::string& where);  // no file behind it: for fuzzing

  std::vector<std::string> names() const;  // sorted
  bool has(const std::string& name) const { return tensors_.count(name) != 0; }
  const TensorView& at(const std::string& name) const;  // Error with the nearest name when absent
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  const std::shared_ptr<const MappedFile>& file() const { return file_; }  // null after parse()

 private:
  std::shared_ptr<const MappedFile> file_;
  std::string where_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

struct NamedTensor {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
};
struct TensorHeader {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
};
// Atomic; tensors in the order given, data aligned to 64 bytes by padding the header. `write_bytes` is asked for the
// bytes of each tensor when it is its turn: no more than one needs to be in memory.
void write_safetensors(const std::string& path, const std::vector<TensorHeader>& tensors,
                       const std::function<void(size_t i, const WriteFn& write)>& write_bytes,
                       const std::map<std::string, std::string>& metadata = {});
void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace longhaul
