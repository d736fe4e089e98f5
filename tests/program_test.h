// The program as a user meets it: `longhaul` run in a folder of the test's own, what it says and the code it ends with.
#pragma once
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "base/strings.h"
#include "support.h"

namespace longhaul {

class ProgramTest : public testing::Test {
 protected:
  // Runs `longhaul <arguments>` by the shell, in the test's folder, with `input` on stdin. Its stdout and stderr go
  // into out_ and err_; returns its exit code (128 + the number of the signal that ended it).
  int run(const std::string& arguments, const std::string& input = "") {
    return run_shell("'" LH_PROGRAM "' " + arguments, input);
  }
  // The same for any command.
  int run_shell(const std::string& command, const std::string& input = "") {
    write_file(folder_ / ".in", input);
    const std::string line = "cd '" + folder_.path() + "' && " + command + " < .in > .out 2> .err";
    const int status = std::system(line.c_str());
    out_ = read_file(folder_ / ".out");
    err_ = read_file(folder_ / ".err");
    check(WIFEXITED(status), "the shell was ended by a signal: ", line);
    return WEXITSTATUS(status);
  }
  // The end of a user's mistake: exit code 2 and one line on stderr with `part` in it.
  void expect_refusal(const std::string& arguments, const std::string& part, const std::string& input = "") {
    EXPECT_EQ(run(arguments, input), 2) << arguments;
    EXPECT_TRUE(contains(err_, part) && err_.find('\n') == err_.size() - 1) << arguments << ": " << err_;
    EXPECT_EQ(out_, "") << arguments;
  }

  TemporaryFolder folder_;
  std::string out_, err_;
};

}  // namespace longhaul
