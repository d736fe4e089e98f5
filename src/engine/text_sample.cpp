#include "engine/text_sample.h"

#include <algorithm>
#include <utility>

namespace longhaul {

namespace {

bool holds(const std::vector<int64_t>& ids, int64_t id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }

// The special tokens that are spelled like stop strings: they are no text, which the strings would be found in.
std::vector<int64_t> special_stops(const Tokenizer& tokenizer, const std::vector<std::string>& stops) {
  std::vector<int64_t> found;
  for (const std::string& stop : stops) {
    std::vector<int64_t> ids;
    tokenizer.encode_with_special(stop, ids);
    if (ids.size() == 1 && tokenizer.decode(ids).empty()) found.push_back(ids[0]);
  }
  return found;
}

}  // namespace

TextSampler::TextSampler(const Tokenizer& tokenizer, int64_t max_tokens, const std::vector<std::string>& stops,
                         std::vector<int64_t> ends)
    : decoder_(tokenizer),
      stops_(stops),
      ends_(std::move(ends)),
      stop_ids_(special_stops(tokenizer, stops)),
      left_(max_tokens) {
  if (tokenizer.end_of_text() >= 0) ends_.push_back(tokenizer.end_of_text());
}

std::string TextSampler::push(int64_t token, bool interrupted) {
  const bool stop = holds(stop_ids_, token), end_of_text = holds(ends_, token), last = --left_ == 0;
  std::string text = stop || end_of_text ? "" : stops_.push(decoder_.push(token));
  if (stop || end_of_text || last || interrupted) {
    text += stops_.push(decoder_.finish());
    text += stops_.finish();  // after it: what the decoder held may be a stop's end
    sample_.finish = stop ? "stop" : end_of_text ? "end_of_text" : last ? "length" : "interrupted";
  }
  if (stops_.found()) sample_.finish = "stop";
  sample_.text += text;
  ++sample_.tokens;
  return text;
}

}  // namespace longhaul
