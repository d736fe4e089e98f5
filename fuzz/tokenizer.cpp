// Bytes as the small pieces of a tokenizer.json, or, when they begin with "model", as a whole one: it is refused, or it
// encodes any text to ids of its vocabulary, the same in two parts cut where it says, and decodes and streams them alike.
#include "fuzz/fuzz.h"
#include "text/byte_alphabet.h"
#include "text/byte_pair_tokenizer.h"
#include "text/streaming_decoder.h"
#include "text/utf8.h"

using namespace longhaul;

namespace {

// The 256 bytes and a few merges: what a mutated vocabulary would hardly ever have.
const std::string& model() {
  static const std::string text = [] {
    std::string vocab, quote = "\"";
    for (int byte = 0; byte < 256; ++byte) {
      std::string spelling = spelling_of(static_cast<unsigned char>(byte));
      if (spelling == "\"" || spelling == "\\") spelling = "\\" + spelling;
      vocab += quote + spelling + "\":" + std::to_string(byte) + ",";
    }
    return "{\"type\":\"BPE\",\"vocab\":{" + vocab + "\"ab\":256,\"abc\":257},\"merges\":[\"a b\",[\"ab\",\"c\"]]}";
  }();
  return text;
}

void use(const Tokenizer& tokenizer) {
  for (std::string_view text :
       {std::string_view("abc  <s> a\xCC\x81'll 123\n\n x<|endoftext|>y\xFF\xE4\xBD"), std::string_view(" ")}) {
    std::vector<int64_t> ids, parts;
    tokenizer.encode_with_special(text, ids);
    for (int64_t id : ids) promise(0 <= id && id < tokenizer.vocab_size(), "an id is inside the vocabulary");
    size_t cut = tokenizer.safe_cut(text, 1);
    tokenizer.encode_with_special(text.substr(0, cut), parts);
    tokenizer.encode_with_special(text.substr(cut), parts);
    promise(parts == ids, "two parts give the ids of the whole");
    StreamingDecoder decoder(tokenizer);
    std::string streamed;
    for (int64_t id : ids) streamed += decoder.push(id);
    streamed += decoder.finish();
    promise(streamed == to_utf8(tokenizer.decode(ids)), "streamed text is the decoded text");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_text(data, size, [](std::string_view text) {
    bool whole = text.starts_with("model");
    std::string json = whole ? "{" + std::string(text.substr(5)) : "{\"model\":" + model() + "," + std::string(text);
    use(BytePairTokenizer(parse_tokenizer_json(json, "tokenizer.json", "</s>"), "tokenizer.json"));
  });
}
