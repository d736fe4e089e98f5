#include "cli/standard_streams.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace longhaul {

namespace {

constexpr int kForEver = -1;

// As fopencookie() wants it: how much was written, 0 for an error.
ssize_t write_all(void* cookie, const char* bytes, size_t count) {
  const auto descriptor = static_cast<int>(reinterpret_cast<intptr_t>(cookie));
  for (size_t done = 0; done < count;) {
    const ssize_t some = ::write(descriptor, bytes + done, count - done);
    if (some >= 0) {
      done += static_cast<size_t>(some);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd output{descriptor, POLLOUT, 0};
      ::poll(&output, 1, kForEver);
    } else if (errno != EINTR) {
      return 0;
    }
  }
  return static_cast<ssize_t>(count);
}

}  // namespace

void keep_standard_descriptors() {
  for (int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) == -1)
      ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // gets the lowest one that is free
  }
}

std::FILE* waiting_output(int descriptor) {
  return ::fopencookie(reinterpret_cast<void*>(static_cast<intptr_t>(descriptor)), "w",
                       {.read = nullptr, .write = write_all, .seek = nullptr, .close = nullptr});
}

void wait_for_standard_output() {
  std::FILE* waiting = waiting_output(STDOUT_FILENO);
  if (waiting == nullptr) return;  // no memory: as it was
  if (::isatty(STDOUT_FILENO)) std::setvbuf(waiting, nullptr, _IOLBF, BUFSIZ);
  plain_standard_output();  // the first call knows it
  stdout = waiting;
}

std::FILE* plain_standard_output() {
  static std::FILE* const plain = stdout;
  return plain;
}

}  // namespace longhaul
