// Bytes as a tekken.json when they begin with '{' (its vocabulary begins with the 256 bytes, which the rest follows),
// else as lines behind those of an RWKV vocabulary's 256 bytes.
#include "fuzz/use_tokenizer.h"
#include "text/pipeline_tokenizer.h"
#include "text/rwkv_world.h"

using namespace longhaul;

namespace {

std::string tekken_bytes() {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string list = "{\"vocab\":[";
  for (size_t byte = 0; byte < 256; ++byte) {
    std::string text = {digits[byte >> 2], digits[byte << 4 & 0x3F]};
    list += "{\"rank\":" + std::to_string(byte) + ",\"token_bytes\":\"" + text + "\"},";
  }
  return list;
}

std::string rwkv_bytes() {
  std::string lines;
  for (int byte = 0; byte < 256; ++byte) {
    char line[32];
    std::snprintf(line, sizeof line, "%d b'\\x%02x' 1\n", byte + 1, byte);
    lines += line;
  }
  return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string tekken = tekken_bytes(), rwkv = rwkv_bytes();
  return fuzz_text(data, size, [](std::string_view text) {
    if (text.starts_with('{')) {
      std::string json = tekken + std::string(text.substr(1));
      use_tokenizer(PipelineTokenizer(parse_tekken_json(json, "tekken.json"), ""));
    } else {
      use_tokenizer(*parse_rwkv_world(rwkv + std::string(text), "rwkv_vocab.txt", ""));
    }
  });
}
