#include "engine/stop_strings.h"

#include <gtest/gtest.h>

#include "../support.h"

namespace longhaul {
namespace {

// The definition: the text before the first place where some stop is complete, the longest of those that are.
std::string cut(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops) {
      if (std::string_view(text).substr(0, end).ends_with(stop)) longest = std::max(longest, stop.size());
    }
    if (longest > 0) return text.substr(0, end - longest);
  }
  return text;
}

// Every way of cutting the text into pieces, one bit a gap.
void expect_cut(const std::string& text, const std::vector<std::string>& stops) {
  const std::string wanted = cut(text, stops);
  for (uint32_t gaps = 0; gaps < 1U << (text.size() - 1); ++gaps) {
    StopStrings found(stops);
    std::string out, piece;
    for (size_t n = 0; n < text.size(); ++n) {
      piece += text[n];
      if (n + 1 < text.size() && (gaps >> n & 1) == 0) continue;
      out += found.push(piece);
      piece.clear();
      ASSERT_EQ(wanted.substr(0, out.size()), out) << "never more than the text before the stop";
    }
    EXPECT_EQ(found.found(), wanted != text) << text;
    EXPECT_EQ(out + found.finish(), wanted) << text << ", gaps " << gaps;
  }
}

TEST(StopStrings, AreFoundHoweverTheTextIsCut) {
  expect_cut("one\n\ntwo", {"\n\n"});
  expect_cut("aabaabaaac", {"aabaaac"});     // a false start inside the true one
  expect_cut("ababab", {"abc", "bb"});       // none, but a beginning at the end
  expect_cut("xabcd", {"abcd", "b"});        // the one that is complete first
  expect_cut("xabcd", {"cd", "abcd", "d"});  // at once: the longest
  expect_cut("stop", {"stop"});
  expect_cut("gr\xC3\xBC\xC3\x9F\x65", {"\xC3\x9F"});  // a character of two bytes, also when they come one by one
  expect_cut("no stops", {});
}

TEST(StopStrings, GiveTextOutAsSoonAsItIsCertain) {
  StopStrings stops({"END"});
  EXPECT_EQ(stops.push("the E"), "the ");
  EXPECT_EQ(stops.push("N"), "");
  EXPECT_EQ(stops.push("E"), "EN");
  EXPECT_EQ(stops.push("ND more"), "");
  EXPECT_TRUE(stops.found());
  EXPECT_EQ(stops.push("more"), "");
  EXPECT_EQ(stops.finish(), "");
  EXPECT_THROW(StopStrings({"a", ""}), Error);
}

}  // namespace
}  // namespace longhaul
