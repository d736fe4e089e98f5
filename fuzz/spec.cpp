// Bytes as a spec string, lengths and numbers: the canonical text reads back as itself, every read is a value or an Error.
#include "base/spec.h"

#include "base/strings.h"
#include "fuzz/fuzz.h"

using namespace longhaul;

namespace {

template <class Read>
void read_or_error(const Read& read) {
  try {
    read();
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_text(data, size, [](std::string_view text) {
    read_or_error([&] {
      for (int64_t length : parse_lengths(text, "fuzz")) {
        promise(length > 0 && parse_length(format_length(length), "fuzz") == length, "a length's spelling reads back");
      }
    });
    read_or_error([&] { parse_number(text, "fuzz"); });
    Spec spec = Spec::parse(text);
    promise(Spec::parse(spec.text()).text() == spec.text(), "canonical text reads back as itself");
    for (const char* key : {"a", "b"}) {
      read_or_error([&] { spec.integer(key, 0); });
      read_or_error([&] { spec.length(key, 0); });
      read_or_error([&] { spec.number(key, 0); });
      read_or_error([&] { spec.flag(key, false); });
      read_or_error([&] { spec.integers(key, {}); });
      read_or_error([&] { spec.nested(key, "x").finish(); });
    }
    spec.finish();
  });
}
