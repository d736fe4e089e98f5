#include "base/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace longhaul {

namespace {

// `peer`: the child's end of the conversation.
void direct(posix_spawn_file_actions_t& actions, ChildOutput output, int peer) {
  switch (output) {
    case ChildOutput::ours: break;
    case ChildOutput::standard_error: posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO); break;
    case ChildOutput::nowhere:
      posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
      break;
    case ChildOutput::talk:
      posix_spawn_file_actions_adddup2(&actions, peer, STDIN_FILENO);
      posix_spawn_file_actions_adddup2(&actions, peer, STDOUT_FILENO);
      break;
  }
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments, ChildOutput output) : name_(arguments.front()) {
  std::vector<std::string> words = {"longhaul"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  int ends[2] = {-1, -1};
  check(output != ChildOutput::talk || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0,
        "cannot make a pair of sockets: ", std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  direct(actions, output, ends[1]);
  const int error = ::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (ends[1] >= 0) ::close(ends[1]);
  socket_ = ends[0];
  if (error == 0) return;
  if (socket_ >= 0) ::close(socket_);
  fail("cannot start longhaul ", name_, ": ", std::strerror(error));
}

ChildProcess::~ChildProcess() {
  if (socket_ >= 0) ::close(socket_);
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool ChildProcess::read_line(std::string& line) {
  for (;;) {
    if (const size_t end = unread_.find('\n'); end != std::string::npos) {
      line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return true;
    }
    char buffer[4096];
    const ssize_t got = ::read(socket_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    unread_.append(buffer, static_cast<size_t>(got));
  }
}

void ChildProcess::say(std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return;
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

ChildEnd ChildProcess::wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0) {
    check(errno == EINTR, "waiting for longhaul ", name_, ": ", std::strerror(errno));
  }
  pid_ = -1;
  ChildEnd end;
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  if (WIFEXITED(status)) end.code = WEXITSTATUS(status);
  return end;
}

ChildEnd run_self(const std::vector<std::string>& arguments, ChildOutput output) {
  return ChildProcess(arguments, output).wait();
}

}  // namespace longhaul
