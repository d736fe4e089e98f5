// Bytes as a checkpoint of torch.save(), and as the pickle inside of one: refused, or every tensor lies in memory as its
// shape says.
#include "io/torch_file.h"

#include "fuzz/fuzz.h"
#include "io/pickle.h"
#include "io/zip.h"

using namespace longhaul;

namespace {

void read_all(std::string_view text) {
  TorchFile file = TorchFile::parse(std::as_bytes(std::span(text)), "fuzz");
  volatile std::byte all{};  // keeps the reads
  for (const auto& [name, view] : file.tensors()) {
    promise(view.numel() * size_of(view.dtype) == static_cast<int64_t>(view.bytes.size()), "numel * size == bytes");
    for (std::byte byte : view.bytes) all = all ^ byte;
  }
  promise(file.names().size() == file.tensors().size(), "every name has its tensor");
}

}  // namespace

// The first byte chooses: a whole file, or a pickle put into a sound archive with two storages (checksums would stop a
// fuzzer at the door).
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  return fuzz_text(data + 1, size - 1, [&](std::string_view text) {
    if (data[0] % 2 == 0) return read_all(text);
    static const std::string storage(64, '\1');
    std::string archive;
    write_zip([&](std::string_view bytes) { archive += bytes; }, {{"a/data.pkl", std::as_bytes(std::span(text))},
                                                                  {"a/data/0", std::as_bytes(std::span(storage))},
                                                                  {"a/data/1", std::as_bytes(std::span(storage))}});
    read_all(archive);
  });
}
