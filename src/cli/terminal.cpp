#include "cli/terminal.h"

#include <histedit.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "cli/standard_streams.h"
#include "text/utf8.h"

namespace longhaul {

namespace {

constexpr int kHistory = 1000;  // lines
constexpr int kFewestRows = 5;  // of a terminal that can spare one

volatile std::sig_atomic_t interrupted = 0;
struct sigaction interrupt_before;

void note_interrupt(int) { interrupted = 1; }

void put(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

std::string without_controls(std::string_view text) {
  std::string shown;
  for (size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const auto next = static_cast<unsigned char>(at + 1 < text.size() ? text[at + 1] : 0);
    const bool c1 = byte == 0xC2 && next >= 0x80 && next < 0xA0;  // U+0080 to U+009F: an ESC and a letter in one
    if (c1 || byte == 0x7F || (byte < 0x20 && byte != '\n' && byte != '\t')) {
      shown += kReplacementCharacter;
    } else {
      shown += text[at];
    }
    if (c1) ++at;
  }
  return shown;
}

void print_text(std::string_view text) {
  static const bool terminal = isatty(STDOUT_FILENO) != 0;
  if (terminal) {
    put(without_controls(text));
  } else {
    put(text);
  }
  check(std::ferror(stdout) == 0, "standard output cannot be written");
}

struct LineReader::Editor {
  explicit Editor(std::string prompt) : prompt(std::move(prompt)) {
    std::setlocale(LC_CTYPE, "");  // characters of more than one byte
    edit = el_init("longhaul", stdin, plain_standard_output(), stderr);
    check(edit != nullptr, "cannot edit lines on this terminal");
    el_set(edit, EL_CLIENTDATA, this);
    el_set(
        edit, EL_PROMPT, +[](EditLine* line) {
          Editor* self = nullptr;
          el_get(line, EL_CLIENTDATA, &self);
          return self->prompt.data();
        });
    el_set(edit, EL_EDITOR, "emacs");
    el_set(edit, EL_SETTY, "-d", "intr=", nullptr);  // while a line is edited, Ctrl-C is a key
    el_set(edit, EL_BIND, "^C", "em-kill-line", nullptr);
    lines = history_init();
    HistEvent event;
    history(lines, &event, H_SETSIZE, kHistory);
    el_set(edit, EL_HIST, history, lines);
    el_source(edit, nullptr);  // the user's ~/.editrc
  }
  ~Editor() {
    history_end(lines);
    el_end(edit);
  }
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;

  std::optional<std::string> read() {
    int length = 0;
    const char* line = el_gets(edit, &length);
    if (line == nullptr || length <= 0) return std::nullopt;
    HistEvent event;
    if (length > 1) history(lines, &event, H_ENTER, line);
    return std::string(line, static_cast<size_t>(length));
  }

  std::string prompt;
  EditLine* edit;
  History* lines;
};

LineReader::LineReader(std::string prompt) : prompt_(std::move(prompt)) {
  if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) editor_ = std::make_unique<Editor>(prompt_);
}
LineReader::~LineReader() = default;

std::optional<std::string> LineReader::read_line() {
  std::optional<std::string> line;
  if (editor_) {
    line = editor_->read();
  } else {
    line = input_.next([] { return false; });
    if (!line) input_.check_whole();
  }
  while (line && (line->ends_with('\n') || line->ends_with('\r'))) line->pop_back();
  return line;
}

std::optional<std::string> LineReader::read() {
  std::optional<std::string> line = read_line();
  while (line && line->ends_with('\\')) {
    line->back() = '\n';
    std::optional<std::string> more = read_line();
    if (!more) break;
    *line += *more;
  }
  return line;
}

InterruptGuard::InterruptGuard() {
  interrupted = 0;
  struct sigaction action = {};
  sigemptyset(&action.sa_mask);
  action.sa_handler = note_interrupt;
  action.sa_flags = SA_RESTART;  // a write to a terminal that waits (Ctrl-S) is no error
  sigaction(SIGINT, &action, &interrupt_before);
}

InterruptGuard::~InterruptGuard() { sigaction(SIGINT, &interrupt_before, nullptr); }

bool InterruptGuard::received() const { return interrupted != 0; }

// The last row leaves the region that scrolls (DECSTBM); the cursor is saved and restored around what moves it (DECSC, DECRC).
StatusLine::StatusLine() {
  const char* kind = std::getenv("TERM");
  const bool capable = isatty(STDOUT_FILENO) && kind != nullptr && std::string_view(kind) != "dumb";
  winsize size{};
  if (!capable || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < kFewestRows) return;
  rows_ = size.ws_row, columns_ = size.ws_col;
  put("\n\x1b[A");  // room for the row, also when the cursor is in the last one
  put("\x1b"
      "7\x1b[1;" +
      std::to_string(rows_ - 1) +
      "r\x1b"
      "8");
}

StatusLine::~StatusLine() {
  if (rows_ == 0) return;
  put("\x1b"
      "7\x1b[r\x1b[" +
      std::to_string(rows_) +
      ";1H\x1b[K\x1b"
      "8");
}

bool StatusLine::is_due() {
  if (rows_ == 0) return false;
  const auto now = std::chrono::steady_clock::now();
  if (now - shown_ < std::chrono::milliseconds(100)) return false;
  shown_ = now;
  return true;
}

void StatusLine::show(const std::string& text) {
  if (rows_ == 0) return;
  put(
      str("\x1b"
          "7\x1b[",
          rows_, ";1H\x1b[K\x1b[2m", text.substr(0, static_cast<size_t>(columns_)),
          "\x1b[m\x1b"
          "8"));
}

}  // namespace longhaul
