// What a program that talks with a person needs of a terminal; each works without one too.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/input_lines.h"

namespace longhaul {

// A text from elsewhere as a terminal may show it: control characters but line ends and tabs (C0, DEL, C1), which would
// steer it, are U+FFFD.
std::string without_controls(std::string_view text);
// Text of a model or of a file to standard output, at once: without_controls() when that is a terminal, as it is
// otherwise. Error when it cannot be written.
void print_text(std::string_view text);

// Lines from standard input: with editing and a history (libedit) when it is a terminal, plain otherwise. A line that
// ends in a backslash goes on in the next. Error when there is input that cannot be read.
class LineReader {
 public:
  explicit LineReader(std::string prompt);  // shown on a terminal only
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  bool is_terminal() const { return editor_ != nullptr; }
  std::optional<std::string> read();  // nothing at the end of the input. On a terminal Ctrl-C empties the line

 private:
  struct Editor;
  std::optional<std::string> read_line();
  std::string prompt_;
  std::unique_ptr<Editor> editor_;  // null without a terminal
  InputLines input_;                // without a terminal
};

// While it lives, Ctrl-C (SIGINT) is only noted. One at a time per process.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  bool received() const;
};

// One line at the bottom of the terminal, below text that scrolls; nothing when standard output is none.
class StatusLine {
 public:
  StatusLine();
  ~StatusLine();  // gives the line back
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  bool is_due();  // true at most ten times a second: worth a show()
  void show(const std::string& text);

 private:
  int rows_ = 0, columns_ = 0;  // 0: no terminal
  std::chrono::steady_clock::time_point shown_;
};

}  // namespace longhaul
