// This very program once more, in a process of its own.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace longhaul {

// Where the child's standard output goes. Its messages always go to our standard error.
enum class ChildOutput {
  ours,
  standard_error,
  nowhere,
  talk,  // to read_line(), and its standard input comes from say()
};

struct ChildEnd {
  int code = 0;    // exit code
  int signal = 0;  // that killed it; 0: it ended by itself
};

class ChildProcess {
 public:
  // Starts `longhaul arguments...`; Error when it cannot be.
  ChildProcess(const std::vector<std::string>& arguments, ChildOutput output);
  ~ChildProcess();  // kills it when nobody has waited for it
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // The next line that it prints, without its end. False when there is none any more.
  bool read_line(std::string& line);
  void say(std::string_view text);  // lost when it has ended
  ChildEnd wait();

 private:
  std::string name_, unread_;
  int socket_ = -1;
  int pid_ = -1;  // -1: it has been waited for
};

// Runs it to its end.
ChildEnd run_self(const std::vector<std::string>& arguments, ChildOutput output);

}  // namespace longhaul
