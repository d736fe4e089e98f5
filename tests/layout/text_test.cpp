// What must not be in any file of the tree.
#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "layout/source_tree.h"

namespace longhaul {
namespace {

void expect_absent(const std::regex& pattern, const std::string& why, const auto& applies) {
  for (const TreeFile& file : source_tree()) {
    if (!applies(file)) continue;
    int number = 0;
    for (const std::string& line : split(file.text, '\n')) {
      ++number;
      std::smatch match;
      if (!std::regex_search(line, match, pattern)) continue;
      ADD_FAILURE() << file.path << ":" << number << ": '" << match.str() << "': " << why;
    }
  }
}

bool any(const TreeFile&) { return true; }
bool code(const TreeFile& file) { return file.is_code(); }

TEST(Text, NamesNoFolderOfADevelopersMachine) {
  // Spelled so that this file does not match itself.
  expect_absent(std::regex(R"((^|[^\w.$}/])/(home|root|Users|[w]ork|mnt)(/|\b))"), "a path of one machine", any);
}

TEST(Text, LeavesNothingForLater) {
  expect_absent(std::regex(R"(\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b|\bfor [n]ow\b|\bnot [y]et implemented\b)"),
                "finish it or leave it out", any);
}

TEST(Text, HeadersAreIncludedOnceAndSayWhatTheyAre) {
  for (const TreeFile& file : source_tree()) {
    if (!file.path.ends_with(".h")) continue;
    // Highway compiles -inl.h once per instruction set, between guards of its own.
    const std::string guard = file.path.ends_with("-inl.h") ? "defined(HWY_TARGET_TOGGLE)\n" : "#pragma once\n";
    EXPECT_NE(file.text.find(guard), std::string::npos) << file.path << ": wanted " << guard;
    EXPECT_TRUE(file.text.starts_with("// ")) << file.path << ": wanted a first line that says what it is";
  }
}

TEST(Text, NoTabsNoTrailingSpaces) {
  expect_absent(std::regex("\t"), "a tab", code);
  expect_absent(std::regex("[ \r]+$"), "trailing space", code);
}

}  // namespace
}  // namespace longhaul
