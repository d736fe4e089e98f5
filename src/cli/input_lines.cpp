#include "cli/input_lines.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace longhaul {

namespace {

constexpr size_t kPiece = size_t{1} << 16;

bool may_read() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return ::poll(&input, 1, 0) != 0;  // an end and an error are read too
}

}  // namespace

std::optional<std::string> InputLines::next(const std::function<bool()>& meanwhile) {
  for (;;) {
    if (std::optional<std::string> line = take()) return line;
    if (ended_) return std::nullopt;
    while (!may_read() && meanwhile()) {
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
  ssize_t count = 0;
  do count = ::read(STDIN_FILENO, read_.data() + searched_, kPiece);
  while (count < 0 && errno == EINTR);
  check(count >= 0, "standard input cannot be read: ", std::strerror(errno));
  read_.resize(searched_ + static_cast<size_t>(count));
  ended_ = count == 0;
}

}  // namespace longhaul
