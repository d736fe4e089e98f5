#include "text/tokenizer.h"

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "text/byte_pair_tokenizer.h"

namespace longhaul {

Registry<TokenizerFactory>& Tokenizers() {
  static Registry<TokenizerFactory> registry("tokenizer");
  return registry;
}

std::unique_ptr<Tokenizer> make_tokenizer(const std::string& spec) {
  std::string name = spec.substr(0, spec.find(':'));
  if (!Tokenizers().has(name)) {
    bool is_path = exists(spec) || spec.find('/') != std::string::npos || spec.ends_with(".json");
    if (is_path) return std::make_unique<BytePairTokenizer>(read_tokenizer_file(spec), spec);
  }
  check(Tokenizers().has(name), "unknown tokenizer '", spec, "'", did_you_mean(name, Tokenizers().names()), ": wanted ",
        join(Tokenizers().names(), ", "), ", a tokenizer.json or a folder that holds one");
  Spec parsed = Spec::parse(spec);
  std::unique_ptr<Tokenizer> tokenizer = Tokenizers().find(parsed.name()).make(parsed);
  parsed.finish();
  return tokenizer;
}

}  // namespace longhaul
