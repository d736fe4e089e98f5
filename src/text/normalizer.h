// What is done to a text before it is cut: the normalizer of a tokenizer.json, by the rules of Hugging Face's
// `tokenizers`.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace longhaul {

struct NormalizerStep {
  std::string meaning;  // type and settings, written the same way whatever the file left out
  // Changes the text, which is UTF-8 before and after. Returns whether it begins with what its first character became,
  // and not with a later one.
  std::function<bool(std::string&)> apply;
  // True when apply() would surely change nothing: a quick look. Empty: it always may.
  std::function<bool(std::string_view)> leaves;
  bool keeps_cuts = false;  // a text may be cut before a ' ' that follows ASCII and each part be normalised alone
};

// Immutable and thread-safe.
class Normalizer {
 public:
  Normalizer() = default;  // changes nothing
  // Error, naming the piece, when it is broken or not supported.
  Normalizer(const Json& piece, const std::string& where);

  bool empty() const { return steps_.empty(); }
  bool leaves(std::string_view text) const;  // true: apply() would surely change nothing
  bool apply(std::string& text) const;       // all steps; returns what a step does
  bool keeps_cuts() const;                   // of all steps
  std::string meaning() const;

 private:
  std::vector<NormalizerStep> steps_;
};

}  // namespace longhaul
