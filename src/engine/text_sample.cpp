#include "engine/text_sample.h"

#include <algorithm>
#include <utility>

namespace longhaul {

TextSampler::TextSampler(const Tokenizer& tokenizer, int64_t max_tokens, const std::vector<std::string>& stops,
                         std::vector<int64_t> ends)
    : decoder_(tokenizer), stops_(stops), ends_(std::move(ends)), left_(max_tokens) {
  if (tokenizer.end_of_text() >= 0) ends_.push_back(tokenizer.end_of_text());
}

std::string TextSampler::push(int64_t token, bool interrupted) {
  const bool end_of_text = std::find(ends_.begin(), ends_.end(), token) != ends_.end(), last = --left_ == 0;
  std::string text = end_of_text ? "" : stops_.push(decoder_.push(token));
  if (end_of_text || last || interrupted) {
    text += stops_.push(decoder_.finish()) + stops_.finish();
    sample_.finish = end_of_text ? "end_of_text" : last ? "length" : "interrupted";
  }
  if (stops_.found()) sample_.finish = "stop";
  sample_.text += text;
  ++sample_.tokens;
  return text;
}

}  // namespace longhaul
