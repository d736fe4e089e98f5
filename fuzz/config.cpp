// Bytes as a model's config.json: parsed text is written and parsed again to the same, typed reads are a value or an Error.
#include "base/json.h"
#include "fuzz/fuzz.h"

using namespace longhaul;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_text(data, size, [](std::string_view text) {
    Json json = parse_python_json(text, "config.json");
    std::string written = json_text(json, "config.json", 2);
    promise(parse_json(written, "again") == json, "written JSON reads back as itself");
    JsonReader reader(json, "config.json");
    reader.ignore("model_type");
    promise(reader.integer("n_layer", 1) > 0, "an integer is not below its bound");
    promise(reader.integer_or("vocab_size", 256, 1, 1 << 20) <= 1 << 20, "an integer is not above its bound");
    reader.number_or("layer_norm_epsilon", 1e-5);
    reader.boolean_or("tie_word_embeddings", true);
    reader.string_or("position", "rope");
    if (reader.has("lengths")) reader.integers("lengths", 0);
    if (reader.is_set("long_factor")) reader.numbers("long_factor");
    if (reader.is_set("layer_types")) reader.strings("layer_types");
    if (reader.has("training")) {
      JsonReader training = reader.object("training");
      training.number("lr");
      training.finish();
    }
    reader.finish();
  });
}
