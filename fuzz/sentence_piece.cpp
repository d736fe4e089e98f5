// Bytes as a tokenizer.model: refused, or it does what every tokenizer promises.
#include "text/sentence_piece.h"
#include "fuzz/use_tokenizer.h"

using namespace longhaul;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_text(data, size, [](std::string_view bytes) {
    use_tokenizer(
        *make_sentence_piece(parse_sentence_piece_model(bytes, "tokenizer.model"), {}, {}, "", "tokenizer.model", ""));
  });
}
