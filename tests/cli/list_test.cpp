// `longhaul list` as a program.
#include <gtest/gtest.h>

#include <cstdio>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"

namespace longhaul {
namespace {

std::string output_of(const std::string& arguments) {
  std::string text;
  FILE* pipe = popen(str(LH_PROGRAM, " list ", arguments, " 2>&1").c_str(), "r");
  for (int byte; (byte = std::fgetc(pipe)) != EOF;) text += static_cast<char>(byte);
  EXPECT_EQ(pclose(pipe), 0) << text;
  return text;
}

TEST(List, OpsAreOneLineEach) {
  std::string text = output_of("ops");
  size_t lines = 0;
  for (const std::string& line : split(text, '\n')) {
    if (line.empty()) continue;
    ++lines;
    EXPECT_NE(line.find(". CPU: "), std::string::npos) << line;
    EXPECT_NE(line.find(". GPU: "), std::string::npos) << line;
  }
  EXPECT_EQ(lines, parse_json(output_of("ops --json"), "list ops")["ops"].size());
  EXPECT_NE(text.find("\n  attention "), std::string::npos) << text;
}

TEST(List, AllHoldsEveryKind) {
  Json all = parse_json(output_of("--json"), "list");
  for (const char* kind : {"commands", "encodings", "models", "ops", "tokenizers"}) {
    ASSERT_TRUE(all.contains(kind)) << kind;
    EXPECT_FALSE(all[kind].empty()) << kind;
  }
}

}  // namespace
}  // namespace longhaul
