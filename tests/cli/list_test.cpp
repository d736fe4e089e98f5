// `longhaul list` as a program.
#include "base/json.h"
#include "program_test.h"

namespace longhaul {
namespace {

class ListCommand : public ProgramTest {
 protected:
  std::string output_of(const std::string& arguments) {
    EXPECT_EQ(run("list " + arguments), 0) << err_;
    return out_;
  }
};

TEST_F(ListCommand, OpsAreOneLineEach) {
  std::string text = output_of("ops");
  size_t lines = 0;
  for (const std::string& line : split(text, '\n')) {
    if (line.empty()) continue;
    ++lines;
    EXPECT_TRUE(contains(line, ". CPU: ")) << line;
    EXPECT_TRUE(contains(line, ". GPU: ")) << line;
  }
  EXPECT_EQ(lines, parse_json(output_of("ops --json"), "list ops")["ops"].size());
  EXPECT_TRUE(contains(text, "\n  attention ")) << text;
}

TEST_F(ListCommand, AllHoldsEveryKind) {
  Json all = parse_json(output_of("--json"), "list");
  for (const char* kind : {"commands", "encodings", "models", "ops", "tokenizers"}) {
    ASSERT_TRUE(all.contains(kind)) << kind;
    EXPECT_FALSE(all[kind].empty()) << kind;
  }
}

TEST_F(ListCommand, AnUnknownCommandIsNamed) {
  expect_refusal("lisst", "unknown command 'lisst' (did you mean 'list'?)");
  expect_refusal("list encodings --seed -1", "--seed");
}

TEST_F(ListCommand, LostOutputIsAnError) {
  for (const char* command : {"list", "list --json", "tokenize bytes"}) {
    EXPECT_EQ(run_shell(str("sh -c \"'", LH_PROGRAM, "' ", command, " > /dev/full\"")), 2) << command;
    EXPECT_TRUE(contains(err_, "longhaul: standard output cannot be written")) << err_;
  }
}

}  // namespace
}  // namespace longhaul
