// Text <-> token ids. Tokenizers register themselves; `bytes` is the first.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/registry.h"
#include "base/spec.h"

namespace longhaul {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // Ids are in [0, vocab_size()). A model may have a larger vocabulary than its tokenizer (a multiple of 64 or 128 makes
  // the head's products faster): the padding ids never occur in text, and decode() rejects them.
  virtual int64_t vocab_size() const = 0;
  virtual int64_t end_of_text() const = 0;  // id put between documents, -1 when there is none
  // Appends the ids of `text` (plain text: special tokens typed in it are not special).
  virtual void encode(std::string_view text, std::vector<int64_t>& ids) const = 0;
  // Bytes of the ids; special tokens give nothing. Error on an id outside the vocabulary.
  virtual std::string decode(const std::vector<int64_t>& ids) const = 0;
  virtual std::string hash() const = 0;  // of everything that decides the ids: goes into manifests
  virtual std::string spec() const = 0;  // what make_tokenizer reads back: "bytes"
};

using TokenizerFactory = std::function<std::unique_ptr<Tokenizer>(Spec&)>;
Registry<TokenizerFactory>& Tokenizers();
// "bytes", or later a path. Calls spec.finish().
std::unique_ptr<Tokenizer> make_tokenizer(const std::string& spec);

}  // namespace longhaul
