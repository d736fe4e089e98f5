// Bytes as the small pieces of a tokenizer.json behind a model that their first word names, or, behind "model", as a
// whole one; what stands behind a record separator is the added_tokens_decoder of a tokenizer_config.json beside it. It is refused, or
// it does what every tokenizer promises.
#include "fuzz/use_tokenizer.h"
#include "text/byte_alphabet.h"
#include "text/pipeline_tokenizer.h"

using namespace longhaul;

namespace {

// The 256 bytes and a few merges: what a mutated vocabulary would hardly ever have.
std::string byte_level_model() {
  std::string vocab, quote = "\"";
  for (int byte = 0; byte < 256; ++byte) {
    std::string spelling = spelling_of(static_cast<unsigned char>(byte));
    if (spelling == "\"" || spelling == "\\") spelling = "\\" + spelling;
    vocab += quote + spelling + "\":" + std::to_string(byte) + ",";
  }
  return "{\"type\":\"BPE\",\"vocab\":{" + vocab + "\"ab\":256,\"abc\":257},\"merges\":[\"a b\",[\"ab\",\"c\"]]}";
}

const std::map<std::string, std::string>& models() {
  static const std::map<std::string, std::string> models = {
      {"bytes", byte_level_model()},
      {"characters",
       R"({"type":"BPE","vocab":{"<unk>":0,"a":1,"b":2,"▁":3,"▁a":4,"ab":5,"<0xE4>":6,"<0xB8>":7,"<0xAD>":8,"c":9},)"
       R"("merges":["▁ a","a b"],"unk_token":"<unk>","fuse_unk":true,"byte_fallback":true})"},
      {"unigram",
       R"({"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["▁",-2],["a",-3],["ab",-3.5],["▁a",-4],["bc",-5]]})"},
      {"words", R"({"type":"WordPiece","vocab":{"[UNK]":0,"a":1,"##b":2,"##bc":3,"x":4}})"}};
  return models;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_text(data, size, [](std::string_view text) {
    TokenizerConfig config;
    config.end_of_text = "</s>";
    if (const size_t separator = text.find('\x1E'); separator != std::string_view::npos) {
      const Json added = Json::parse(text.substr(separator + 1), nullptr, /*allow_exceptions=*/false);
      if (added.is_object()) config.added_tokens = added;
      text = text.substr(0, separator);
    }
    std::string json = "{\"model\":" + models().at("bytes") + "," + std::string(text);
    if (text.starts_with("model")) json = "{" + std::string(text.substr(5));
    for (const auto& [name, model] : models()) {
      if (text.starts_with(name)) json = "{\"model\":" + model + "," + std::string(text.substr(name.size()));
    }
    use_tokenizer(PipelineTokenizer(parse_tokenizer_json(json, "tokenizer.json", config), "tokenizer.json"));
  });
}
