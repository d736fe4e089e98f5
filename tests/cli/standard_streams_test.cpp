// Pipes that others have made non-blocking, as Node's are, and that are slow.
#include "cli/standard_streams.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <thread>

#include "cli/input_lines.h"
#include "support.h"

namespace longhaul {
namespace {

void wait_a_little() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

// While it lives, standard input is this descriptor, which it closes.
class StandardInput {
 public:
  explicit StandardInput(int descriptor) : before_(dup(STDIN_FILENO)) {
    dup2(descriptor, STDIN_FILENO);
    close(descriptor);
  }
  ~StandardInput() {
    dup2(before_, STDIN_FILENO);
    close(before_);
  }

 private:
  int before_;
};

// All that comes out of the other end, late.
std::string slow_read(int descriptor) {
  std::string read, piece(10'000, '\0');
  wait_a_little();
  for (ssize_t count = -1; count != 0;) {
    count = ::read(descriptor, piece.data(), piece.size());
    if (count > 0) read.append(piece, 0, static_cast<size_t>(count));
    if (count < 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return read;
}

TEST(StandardStreams, OutputWaitsForRoom) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  const std::string text(300'000, 'x');  // several times what a pipe holds
  std::string read;
  std::thread reader([&] { read = slow_read(ends[0]); });
  std::FILE* output = waiting_output(ends[1]);
  EXPECT_GT(std::fprintf(output, "%s\n", text.c_str()), 0);
  EXPECT_EQ(std::fclose(output), 0);
  close(ends[1]);
  reader.join();
  close(ends[0]);
  EXPECT_TRUE(read == text + "\n") << read.size();
}

TEST(StandardStreams, TheProgramsOutputDoes) {
  TemporaryFolder folder;
  write_file(folder / "text", std::string(100'000, 'x'));
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(open((folder / "text").c_str(), O_RDONLY), STDIN_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]), close(ends[1]);
    execl(LH_PROGRAM, "longhaul", "tokenize", "bytes", nullptr);
    _exit(127);
  }
  close(ends[1]);
  const std::string read = slow_read(ends[0]);
  close(ends[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(read.size(), 400'000u);  // "120 " each
}

TEST(StandardStreams, AnOutputThatIsGoneIsAnError) {
  const int full = open("/dev/full", O_WRONLY);
  std::FILE* output = waiting_output(full);
  std::fputs("text", output);
  EXPECT_NE(std::fflush(output), 0);
  EXPECT_NE(std::ferror(output), 0);
  std::fclose(output);
  close(full);
}

TEST(StandardStreams, InputIsReadToItsEnd) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  const StandardInput input(ends[0]);
  std::thread writer([&] {
    for (const char* piece : {"one\ntw", "o\nthree", "\n\nfour"}) {
      wait_a_little();
      EXPECT_GT(write(ends[1], piece, std::string_view(piece).size()), 0);
    }
    close(ends[1]);
  });
  InputLines lines;
  EXPECT_EQ(lines.next([] { return false; }), "one");
  EXPECT_EQ(lines.rest(), "two\nthree\n\nfour");
  EXPECT_EQ(lines.rest(), "");
  writer.join();
}

TEST(StandardStreams, InputThatCannotBeReadIsAnError) {
  const StandardInput input(open("/", O_RDONLY | O_DIRECTORY));
  EXPECT_EQ(error_of([] { InputLines().rest(); }), "standard input cannot be read: Is a directory");
}

}  // namespace
}  // namespace longhaul
