#include "engine/stop_strings.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace longhaul {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) check(!stop.empty(), "--stop: wanted a text, found an empty one");
}

std::string StopStrings::push(std::string_view text) {
  if (found_) return "";
  held_back_ += text;
  size_t begin = std::string::npos, end = std::string::npos;
  for (const std::string& stop : stops_) {
    const size_t at = held_back_.find(stop);
    if (at != std::string::npos && std::pair(at + stop.size(), at) < std::pair(end, begin)) {
      begin = at, end = at + stop.size();
    }
  }
  found_ = end != std::string::npos;
  size_t keep = 0;  // the longest end of the text that a stop begins with
  if (!found_) {
    begin = held_back_.size();
    for (const std::string& stop : stops_) {
      for (size_t n = std::min(stop.size() - 1, held_back_.size()); n > keep; --n) {
        if (held_back_.ends_with(std::string_view(stop).substr(0, n))) keep = n;
      }
    }
  }
  std::string certain = held_back_.substr(0, begin - keep);
  held_back_ = found_ ? "" : held_back_.substr(begin - keep);
  return certain;
}

std::string StopStrings::finish() { return std::exchange(held_back_, ""); }

}  // namespace longhaul
