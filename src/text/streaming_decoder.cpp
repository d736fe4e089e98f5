#include "text/streaming_decoder.h"

#include <algorithm>

#include "text/utf8.h"

namespace longhaul {

void StreamingDecoder::skip(std::span<const int64_t> ids) {
  std::string shown;
  for (int64_t id : ids) shown += push(id);
  known_ = to_utf8(tokenizer_->decode({ids.begin(), ids.end()})).substr(shown.size());
}

std::string StreamingDecoder::push(int64_t id) {
  if (!decoding_) decoding_ = tokenizer_->start_decoding(false);
  decoding_->push(id, held_back_);
  return without_known(whole_characters());
}

std::string StreamingDecoder::finish() {
  if (decoding_) decoding_->finish(held_back_);
  decoding_.reset();
  std::string text = without_known(to_utf8(held_back_));
  held_back_.clear(), known_.clear();
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

// What a later token changed in the known text counts as new, from the character where it differs on.
std::string StreamingDecoder::without_known(const std::string& text) {
  size_t same =
      static_cast<size_t>(std::mismatch(text.begin(), text.end(), known_.begin(), known_.end()).first - text.begin());
  if (same == text.size()) {
    known_.erase(0, same);
    return "";
  }
  same = start_of_last_character(std::string_view(text).substr(0, same + 1));
  known_.clear();
  return text.substr(same);
}

}  // namespace longhaul
