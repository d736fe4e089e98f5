// Bytes as a gzip file: text or an error, whatever the steps it is read in; never more memory than the step.
#include "io/byte_source.h"

#include "fuzz/fuzz.h"

using namespace longhaul;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_text(data, size, [](std::string_view text) {
    auto source = gunzip(std::as_bytes(std::span(text)), "fuzz");
    std::string step(4096, '\0');
    constexpr int kMostSteps = 1000;  // a bomb is not a finding
    for (int i = 0; i < kMostSteps; ++i) {
      size_t got = source->read(step);
      promise(got <= step.size(), "no more than was asked for");
      promise(source->position() <= static_cast<int64_t>(text.size()), "no more is taken than there is");
      if (got < step.size()) break;
    }
  });
}
