// Standard input: its lines, for a command that may work while it waits for the next one, or all of it.
#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

namespace longhaul {

// Reads the descriptor itself: what is in a pipe is known, and half a line holds nothing up. Nothing else may read standard input.
class InputLines {
 public:
  // The next line without its end, or nothing behind the last. While none is whole, meanwhile() is called over and over, until it
  // returns false; then it waits.
  std::optional<std::string> next(const std::function<bool()>& meanwhile);
  std::string rest();        // all that is left, to the end; Error when it cannot be read
  void check_whole() const;  // Error when the last line was the last that could be read

 private:
  std::optional<std::string> take();  // a whole line of what was read
  void read_more();

  std::string read_;
  size_t begin_ = 0, searched_ = 0;  // in read_: of the next line; no line ends before
  bool ended_ = false;
  std::string error_;
};

}  // namespace longhaul
