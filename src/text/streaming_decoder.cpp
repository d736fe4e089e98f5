#include "text/streaming_decoder.h"

#include "text/utf8.h"

namespace longhaul {

std::string StreamingDecoder::push(int64_t id) {
  std::string bytes = held_back_ + tokenizer_.decode({id});
  size_t whole = 0;
  while (whole < bytes.size()) {
    Utf8Step step = utf8_step(std::string_view(bytes).substr(whole));
    if (step.kind == Utf8Step::kCut) break;
    whole += step.length;
  }
  held_back_ = bytes.substr(whole);
  return to_utf8(std::string_view(bytes).substr(0, whole));
}

std::string StreamingDecoder::finish() {
  std::string text = to_utf8(held_back_);
  held_back_.clear();
  return text;
}

}  // namespace longhaul
