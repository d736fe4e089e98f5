#include "text/tokenizer.h"

namespace longhaul {

Registry<TokenizerFactory>& Tokenizers() {
  static Registry<TokenizerFactory> registry("tokenizer");
  return registry;
}

std::unique_ptr<Tokenizer> make_tokenizer(const std::string& spec) {
  Spec parsed = Spec::parse(spec);
  std::unique_ptr<Tokenizer> tokenizer = Tokenizers().find(parsed.name()).make(parsed);
  parsed.finish();
  return tokenizer;
}

}  // namespace longhaul
