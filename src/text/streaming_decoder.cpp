#include "text/streaming_decoder.h"

#include "text/utf8.h"

namespace longhaul {

void StreamingDecoder::skip(std::span<const int64_t> ids) {
  for (int64_t id : ids) push(id);
  held_back_.clear();
}

std::string StreamingDecoder::push(int64_t id) {
  if (!decoding_) decoding_ = tokenizer_->start_decoding(false);
  decoding_->push(id, held_back_);
  return whole_characters();
}

std::string StreamingDecoder::finish() {
  if (decoding_) decoding_->finish(held_back_);
  decoding_.reset();
  std::string text = to_utf8(held_back_);
  held_back_.clear();
  return text;
}

// Takes them from what is held back.
std::string StreamingDecoder::whole_characters() {
  size_t whole = 0;
  while (whole < held_back_.size()) {
    Utf8Step step = utf8_step(std::string_view(held_back_).substr(whole));
    if (step.kind == Utf8Step::kCut) break;
    whole += step.length;
  }
  std::string text = to_utf8(std::string_view(held_back_).substr(0, whole));
  held_back_.erase(0, whole);
  return text;
}

}  // namespace longhaul
