// What a terminal is shown.
#include "cli/terminal.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace longhaul
