#include "text/tokenizer.h"

#include "base/files.h"
#include "base/strings.h"

namespace longhaul {

Registry<TokenizerFactory>& Tokenizers() {
  static Registry<TokenizerFactory> registry("tokenizer");
  return registry;
}

std::string Tokenizer::decode_all(const std::vector<int64_t>& ids, bool with_special) const {
  std::string bytes;
  std::unique_ptr<Decoding> decoding = start_decoding(with_special);
  for (int64_t id : ids) decoding->push(id, bytes);
  decoding->finish(bytes);
  return bytes;
}

std::unique_ptr<Tokenizer> make_tokenizer(const std::string& spec) {
  std::string name = spec.substr(0, spec.find(':'));
  if (!Tokenizers().has(name)) {
    bool is_path = exists(spec) || spec.find('/') != std::string::npos || spec.ends_with(".json");
    if (is_path) return make_tokenizer_of_file(spec);
  }
  check(Tokenizers().has(name), "unknown tokenizer '", spec, "'", did_you_mean(name, Tokenizers().names()), ": wanted ",
        join(Tokenizers().names(), ", "), ", a tokenizer.json or a folder that holds one");
  Spec parsed = Spec::parse(spec);
  std::unique_ptr<Tokenizer> tokenizer = Tokenizers().find(parsed.name()).make(parsed);
  parsed.finish();
  return tokenizer;
}

}  // namespace longhaul
