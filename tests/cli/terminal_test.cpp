// What a terminal is shown.
#include "cli/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "support.h"

namespace longhaul {
namespace {

constexpr const char* kReplaced = "\xEF\xBF\xBD";

TEST(Terminal, ControlsOfAModelDoNotSteerIt) {
  const std::string harmless = "a\tb\nc \xC2\xA0\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80";  // NBSP is next to the C1 range
  EXPECT_EQ(without_controls(harmless), harmless);
  EXPECT_EQ(without_controls("\x1b]0;title\x07"), std::string(kReplaced) + "]0;title" + kReplaced);
  EXPECT_EQ(without_controls("\x7F\r"), std::string(kReplaced) + kReplaced);
  EXPECT_EQ(without_controls("\xC2\x9B"
                             "2J"),
            std::string(kReplaced) + "2J");
  EXPECT_EQ(without_controls(std::string_view("\0", 1)), kReplaced);
  EXPECT_EQ(without_controls("\xC2"), "\xC2");  // the end of a piece
}

// A pipe whose other end has made it non-blocking, as Node's does, and reads slowly.
TEST(Terminal, ANonBlockingPipeLosesNothing) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  std::fflush(stdout);
  const int before = dup(STDOUT_FILENO);
  dup2(ends[1], STDOUT_FILENO);
  close(ends[1]);
  const std::string text(300'000, 'x');  // several times what a pipe holds
  std::string read;
  std::thread reader([&] {
    std::string piece(10'000, '\0');
    for (ssize_t count = -1; count != 0;) {  // to the end
      count = ::read(ends[0], piece.data(), piece.size());
      if (count > 0) read.append(piece, 0, static_cast<size_t>(count));
      if (count < 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  std::printf("all ");
  EXPECT_EQ(error_of([&] { print_text(text); }), "no error");
  dup2(before, STDOUT_FILENO);
  close(before);
  reader.join();
  close(ends[0]);
  EXPECT_TRUE(read == "all " + text) << read.size();
}

}  // namespace
}  // namespace longhaul
