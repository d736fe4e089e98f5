#include "bench/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace longhaul {

namespace {

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  for (;;) {
    ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    check(errno == EINTR, "bench: waiting for a cell: ", std::strerror(errno));
  }
  return status;
}

}  // namespace

Json run_cell_in_child(const Json& cell) {
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC) == 0, "bench: pipe: ", std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::string text = cell.dump();
  const char* arguments[] = {"longhaul", "bench", "cell", text.c_str(), nullptr};
  pid_t child = 0;
  int error = ::posix_spawn(&child, "/proc/self/exe", &actions, nullptr, const_cast<char**>(arguments), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::string output = error == 0 ? read_all(ends[0]) : "";
  ::close(ends[0]);
  check(error == 0, "bench: cannot start a cell: ", std::strerror(error));
  int status = wait_for(child);
  if (WIFSIGNALED(status)) return Json{{"error", str("killed by signal ", WTERMSIG(status))}};
  if (WEXITSTATUS(status) != 0) return Json{{"error", str("exit code ", WEXITSTATUS(status))}};
  return parse_json(output, "the cell's row");
}

}  // namespace longhaul
