#include "base/log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "base/progress.h"
#include "support.h"

namespace longhaul {
namespace {

template <class Action>
std::string stderr_of(const Action& action) {
  testing::internal::CaptureStderr();
  action();
  return testing::internal::GetCapturedStderr();
}

TEST(Log, GoesToStderrFromTheSetLevelOn) {
  std::string text = stderr_of([] {
    log_debug("hidden");
    log_info("step ", 3, " {not a format}");
    set_log_level(LogLevel::warning);
    log_info("hidden");
    log_warning("shown");
    set_log_level(LogLevel::info);
  });
  EXPECT_TRUE(contains(text, "info step 3 {not a format}\n")) << text;
  EXPECT_TRUE(contains(text, "warning shown\n")) << text;
  EXPECT_FALSE(contains(text, "hidden")) << text;
}

TEST(Log, APauseDropsMessagesAndEnds) {
  const std::string text = stderr_of([] {
    {
      const LogPause pause;
      log_warning("hidden");
    }
    log_debug("hidden");
    log_info("shown");
  });
  EXPECT_TRUE(contains(text, "info shown\n")) << text;
  EXPECT_FALSE(contains(text, "hidden")) << text;
}

TEST(Progress, EndsWithOnePlainLineWhenStderrIsNoTerminal) {
  std::string text = stderr_of([] {
    Progress progress("pack", 4000, "files");
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) progress.add(1);
      });
    }
    for (std::thread& thread : threads) thread.join();
    progress.note("last: x");
    progress.finish();
  });
  EXPECT_TRUE(contains(text, "pack: 4,000 / 4,000 files, ")) << text;
  EXPECT_TRUE(contains(text, " files/s, ")) << text;
  EXPECT_TRUE(contains(text, ", last: x\n")) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_FALSE(contains(text, "\r")) << text;
}

TEST(Progress, AnUnknownTotalIsLeftOut) {
  std::string text = stderr_of([] { Progress("read", 0, "MB").add(7); });
  EXPECT_TRUE(contains(text, "read: 7 MB, ")) << text;
}

}  // namespace
}  // namespace longhaul
