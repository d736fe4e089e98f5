// Bytes as a safetensors file: every view lies inside the bytes and is as long as its shape says.
#include "io/safetensors.h"

#include "fuzz/fuzz.h"

using namespace longhaul;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_text(data, size, [](std::string_view text) {
    SafetensorsFile file = SafetensorsFile::parse(std::as_bytes(std::span(text)), "fuzz");
    size_t total = 0;
    volatile std::byte all{};  // keeps the reads
    for (const std::string& name : file.names()) {
      const TensorView& view = file.at(name);
      promise(view.numel() * size_of(view.dtype) == static_cast<int64_t>(view.bytes.size()), "numel * size == bytes");
      for (std::byte byte : view.bytes) all = all ^ byte;
      total += view.bytes.size();
    }
    promise(total <= text.size(), "no byte belongs to two tensors");
  });
}
