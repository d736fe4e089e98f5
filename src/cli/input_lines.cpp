#include "cli/input_lines.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace longhaul {

namespace {

constexpr size_t kPiece = size_t{1} << 16;
constexpr int kForEver = -1;

// Whether a read would say something: numbers, an end or an error.
bool may_read(int milliseconds) {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return ::poll(&input, 1, milliseconds) != 0;
}

}  // namespace

std::optional<std::string> InputLines::next(const std::function<bool()>& meanwhile) {
  for (;;) {
    if (std::optional<std::string> line = take()) return line;
    if (ended_) return std::nullopt;
    while (!may_read(0)) {
      if (!meanwhile()) may_read(kForEver);
    }
    read_more();
  }
}

std::optional<std::string> InputLines::take() {
  size_t end = read_.find('\n', searched_);
  if (end == std::string::npos) {
    searched_ = read_.size();
    if (!ended_ || begin_ == read_.size()) return std::nullopt;
    end = read_.size();  // the last line may lack its end
  }
  std::string line = read_.substr(begin_, end - begin_);
  begin_ = searched_ = std::min(end + 1, read_.size());
  return line;
}

void InputLines::read_more() {
  read_.erase(0, begin_);
  begin_ = 0;
  searched_ = read_.size();
  read_.resize(searched_ + kPiece);
  const ssize_t count = ::read(STDIN_FILENO, read_.data() + searched_, kPiece);
  const int error = count < 0 ? errno : 0;
  read_.resize(searched_ + static_cast<size_t>(std::max<ssize_t>(count, 0)));
  if (error == EINTR || error == EAGAIN || error == EWOULDBLOCK)
    return;  // a descriptor that others use may be empty again
  if (error != 0) error_ = str("standard input cannot be read: ", std::strerror(error));
  ended_ = count <= 0;
}

std::string InputLines::rest() {
  while (!ended_) {
    may_read(kForEver);
    read_more();
  }
  check_whole();
  searched_ = read_.size();
  return read_.substr(std::exchange(begin_, read_.size()));
}

void InputLines::check_whole() const { check(error_.empty(), error_); }

}  // namespace longhaul
