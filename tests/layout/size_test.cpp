// What fits on a few screens is read; what does not is skipped. The limits are those of the design's section on style.
#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

#include "layout/source_tree.h"

namespace longhaul {
namespace {

constexpr int64_t kMaxFunction = 60;

int64_t limit_of(const TreeFile& file) {
  if (file.path.ends_with(".h")) return 150;
  if (file.is_under("src/pos/") || file.is_under("src/eval/tasks/")) return 150;
  if (file.is_under("src/models/")) return 350;
  return 500;
}

// The code with comments, strings and preprocessor lines blanked, newlines kept.
std::string blank_text(const std::string& code) {
  static const std::regex skipped(
      R"re(//[^\n]*|/\*[^]*?\*/|R"(\w*)\([^]*?\)\1"|"(\\.|[^"\\\n])*"|'(\\.|[^'\\\n])'|(^|\n)[ \t]*#([^\n]*\\\n)*[^\n]*)re");
  std::string blanked = code;
  for (auto it = std::sregex_iterator(code.begin(), code.end(), skipped); it != std::sregex_iterator(); ++it) {
    for (auto at = it->position(); at < it->position() + it->length(); ++at) {
      if (blanked[at] != '\n') blanked[at] = ' ';
    }
  }
  return blanked;
}

struct Function {
  std::string head;
  int64_t line, lines;
};

// A brace opens a function when the text before it, back to the last ';', '{' or '}', has parentheses and neither names a
// type or namespace nor assigns. What is inside a function belongs to it.
bool opens_function(const std::string& head) {
  static const std::regex other(R"(^\s*(template\s*<[^{}]*>\s*)?(namespace|class|struct|enum|union|extern|concept)\b)");
  size_t parenthesis = head.find('(');
  if (parenthesis == std::string::npos || std::regex_search(head, other)) return false;
  size_t assignment = head.find('=');
  return assignment > parenthesis || head.find("operator") < parenthesis;
}

std::vector<Function> functions_of(const std::string& text) {
  const std::string code = blank_text(text);
  std::vector<Function> found;
  size_t head = 0;  // where the current statement begins
  int64_t line = 1, function_depth = -1, depth = 0;
  for (size_t i = 0; i < code.size(); ++i) {
    char c = code[i];
    if (c == '\n') ++line;
    if (c == '{' && function_depth < 0 && opens_function(code.substr(head, i - head))) {
      std::string text_of_head(trim(std::string_view(code).substr(head, i - head)));
      found.push_back({text_of_head, line - line_count(text_of_head), 0});
      function_depth = depth;
    }
    if (c == '{') ++depth;
    if (c == '}' && --depth == function_depth) {
      found.back().lines = line - found.back().line + 1;
      function_depth = -1;
    }
    if (c == '{' || c == '}' || c == ';') head = i + 1;
  }
  return found;
}

TEST(Size, TheHeuristicSeesFunctions) {
  const std::string code =
      "namespace a {\nstruct S : B {\n  int f() const { return 1; }\n  int g_{0};\n};\n"
      "// int ignored() {\nint table[] = {1, 2};\ntemplate <class T>\nvoid two(T x,\n         char c = '{') {\n  if "
      "(x) {\n  }\n}\n"
      "bool operator==(A, B) {\n  return \"}\" == R\"(})\";\n}\nREGISTER(x, [](int) {\n  y();\n});\n}\n";
  std::vector<Function> found = functions_of(code);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0].lines, 1);
  EXPECT_EQ(found[1].line, 8);
  EXPECT_EQ(found[1].lines, 6);
  EXPECT_EQ(found[2].lines, 3);
  EXPECT_EQ(found[3].lines, 3);
}

TEST(Size, FilesFitTheirLimit) {
  const std::regex counted(R"(\.(h|cpp|cu|py|sh|js|css|cmake)$|CMakeLists\.txt$)");
  for (const TreeFile& file : source_tree()) {
    if (!std::regex_search(file.path, counted)) continue;
    EXPECT_LE(line_count(file.text), limit_of(file)) << file.path;
  }
}

TEST(Size, FunctionsFitOnAScreen) {
  for (const TreeFile& file : source_tree()) {
    if (!file.is_code()) continue;
    for (const Function& function : functions_of(file.text)) {
      EXPECT_LE(function.lines, kMaxFunction) << file.path << ":" << function.line << ": " << function.head;
    }
  }
}

}  // namespace
}  // namespace longhaul
