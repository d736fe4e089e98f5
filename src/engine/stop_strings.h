// Strings that end a text, found in a text that comes in pieces.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace longhaul {

// The text ends before the stop string that is complete first (of two that are at once, the longer one), however it was cut
// into pieces. What may be the beginning of one is held back until that is decided.
class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> stops);  // Error for an empty one
  std::string push(std::string_view text);               // what is now certain to come before every stop
  std::string finish();                                  // what was held back, when the text ends without a stop
  bool found() const { return found_; }                  // nothing comes any more

 private:
  std::vector<std::string> stops_;
  std::string held_back_;
  bool found_ = false;
};

}  // namespace longhaul
