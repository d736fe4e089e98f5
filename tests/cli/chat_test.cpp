// `longhaul chat` through pipes, with a tiny model.
#include "base/json.h"
#include "program_test.h"
#include "tiny_run.h"

namespace longhaul {
namespace {

class ChatCommand : public ProgramTest {
 protected:
  void SetUp() override {
    for (const char* position : {"cable", "learned", "cable:variant=5"})
      make_tiny_run(folder_ / position, position, 256);
  }
  int run(const std::string& arguments, const std::string& input) {
    return ProgramTest::run("chat --threads 1 --max-tokens 12 " + arguments, input);
  }
  // The objects of a kind that --json prints in a session, which ends with this exit code.
  std::vector<Json> answers(const std::string& arguments, const std::string& input, int code = 0,
                            const std::string& kind = "answer") {
    EXPECT_EQ(run("cable --template plain --json " + arguments, input), code) << err_;
    std::vector<Json> found;
    for (const std::string& line : split(out_, '\n')) {
      if (line.empty()) continue;
      const Json object = parse_json(line, "stdout");
      if (object["kind"] == kind) found.push_back(object);
    }
    return found;
  }
};

TEST_F(ChatCommand, AnswersLineByLine) {
  ASSERT_EQ(run("cable --template plain", "Hello\nAnd now?\n"), 0) << err_;
  EXPECT_TRUE(contains(err_, "12 tokens, ") && contains(err_, " tok/s; read 6 of 6; 18 of 256 tokens of context"))
      << err_;
  const std::string text = out_;
  const std::vector<Json> lines = answers("", "Hello\n\nAnd now?\n/exit\nnever\n");
  ASSERT_EQ(lines.size(), 2u) << out_;
  EXPECT_EQ(text, lines[0]["text"].get<std::string>() + "\n" + lines[1]["text"].get<std::string>() + "\n");
  EXPECT_EQ(lines[0]["prompt_tokens"], 6);
  EXPECT_EQ(lines[0]["reused_tokens"], 0);
  EXPECT_EQ(lines[0]["finish"], "length");
  // What was read for the first answer is not read again, and that changes nothing.
  EXPECT_GE(lines[1]["reused_tokens"], 6);
  const std::vector<Json> again = answers("--no-cache", "Hello\nAnd now?\n");
  EXPECT_EQ(again[1]["text"], lines[1]["text"]);
  EXPECT_EQ(again[1]["reused_tokens"], 0);
}

TEST_F(ChatCommand, TheCommands) {
  const std::vector<Json> plain = answers("--temperature 0", "one\ntwo\n");
  // undone, the second question is the first thing said after "one" again
  const std::vector<Json> undone = answers("--temperature 0", "one\nthree\n/undo\ntwo\n");
  ASSERT_EQ(undone.size(), 3u) << out_ << err_;
  EXPECT_EQ(undone[2]["text"], plain[1]["text"]);
  const std::vector<Json> regenerated = answers("--temperature 0", "one\n!!regen\n/reset\none\n");
  for (const Json& answer : regenerated) EXPECT_EQ(answer["text"], plain[0]["text"]);
  EXPECT_EQ(regenerated.size(), 3u);
  // drawn, an answer is another one
  const std::vector<Json> drawn = answers("--temperature 2", "one\n/regen\n");
  EXPECT_NE(drawn[0]["text"], drawn[1]["text"]);
  EXPECT_EQ(drawn[0]["text"], answers("--temperature 2", "one\n")[0]["text"]);
  // by the seed that is set, whatever was answered before
  const std::vector<Json> seeded = answers("--temperature 2", "two\n/reset\n/params seed=5\none\n");
  EXPECT_EQ(seeded[1]["text"], answers("--temperature 2 --seed 5", "one\n")[0]["text"]);
  // a system text comes first
  EXPECT_EQ(answers("--system Be", "one\n")[0]["prompt_tokens"], 7);
  EXPECT_EQ(answers("", "/system Be\none\n/system\n/reset\none\n")[1]["prompt_tokens"], 4);
  EXPECT_EQ(answers("", "//one\n")[0]["prompt_tokens"], 5);
  EXPECT_EQ(answers("", "o\\\nne\n")[0]["prompt_tokens"], 5);
  EXPECT_EQ(answers("", "/params temperature=0 max_tokens=5\none\n")[0]["tokens"], 5);
  EXPECT_TRUE(contains(out_,
                       "temperature=0 top-k=50 top-p=0.9 min-p=0 repetition-penalty=1 presence-penalty=0 "
                       "frequency-penalty=0 max-tokens=5 seed=0 context=256\"}\n"))
      << out_;
  ASSERT_EQ(run("cable --template plain", "/help\n"), 0);
  for (const char* name : {"/help", "/exit", "/reset", "/undo", "/regen", "/system", "/params", "/save", "/load"})
    EXPECT_TRUE(contains(out_, name)) << name;
}

TEST_F(ChatCommand, SavedAndLoaded) {
  const std::vector<Json> plain = answers("--temperature 0", "one\n/save talk\ntwo\n");
  EXPECT_EQ(read_json(folder_ / "talk.json")["messages"][0], Json::array({"user", "one"}));
  EXPECT_EQ(answers("--temperature 0", "/load talk.json\ntwo\n")[0]["text"], plain[1]["text"]);
  EXPECT_TRUE(contains(out_, R"("> one")"));
}

TEST_F(ChatCommand, AMistakeDoesNotEndTheChat) {
  const std::vector<Json> lines = answers(
      "--context 30",
      "/undu\n/params top-p=3\n/params x=1\n/load nowhere\n/undo\n/exit now\n" + std::string(40, 'x') + "\none\n", 2);
  ASSERT_EQ(lines.size(), 1u) << out_;
  EXPECT_EQ(lines[0]["prompt_tokens"], 4);  // nothing of what failed was said
  EXPECT_EQ(answers("--context 30", "/undu\none\n/undo\n/undo\n", 2, "error").size(), 2u);
  EXPECT_EQ(answers("--context 30", "/undu\none\n/reset\n/reset\n", 2, "note").size(), 2u);
  answers("--context 30",
          "/undu\n/params top-p=3\n/params x=1\n/load nowhere\n/undo\n/exit now\n" + std::string(40, 'x'), 2);
  for (const char* part :
       {"unknown command '/undu' (did you mean 'undo'?); /help lists them", "top-p: wanted a number in [0, 1], got 3",
        "/params: unknown setting 'x'", "nowhere", "there is nothing to take back", "/exit takes nothing, got 'now'",
        "chat: the conversation has 41 tokens, --context is 30"})
    EXPECT_TRUE(contains(err_, part)) << part << "\n" << err_;
}

TEST_F(ChatCommand, AnAnswerThatCannotBeGivenAgainStays) {
  const std::vector<Json> lines =
      answers("--context 30", "one\n/system " + std::string(40, 'x') + "\n/regen\n/save talk\n", 2);
  ASSERT_EQ(lines.size(), 1u) << out_;
  EXPECT_TRUE(contains(err_, "--context is 30")) << err_;
  const Json messages = read_json(folder_ / "talk.json")["messages"];
  EXPECT_EQ(messages[0], Json::array({"user", "one"}));
  EXPECT_EQ(messages[1][1], lines[0]["text"]);
}

TEST_F(ChatCommand, TemplatesOfFoldersAndFiles) {
  write_file(
      folder_ / "cable/tokenizer_config.json",
      R"({"bos_token": "<s>", "chat_template": "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}"})");
  ASSERT_EQ(run("cable --json", "one\n"), 0) << err_;
  EXPECT_EQ(parse_json(out_, "stdout")["prompt_tokens"], 6);
  write_file(folder_ / "form.jinja", "{{ raise_exception('no ' ~ messages[0].role ~ 's here') }}");
  ASSERT_EQ(run("cable --template form.jinja", "one\n"), 2);
  EXPECT_EQ(err_, "longhaul: form.jinja:1:4: no users here\n");
}

TEST_F(ChatCommand, MistakesAreOneLine) {
  auto refuses = [&](const std::string& arguments, const std::string& part) {
    expect_refusal("chat --threads 1 " + arguments, part, "one\n");
  };
  refuses("cable", "cable: has no chat template; name a file or a format with --template: chatml, llama-2, ");
  refuses("cable --template chatlm", "unknown chat format 'chatlm' (did you mean 'chatml'?)");
  refuses("learned --template plain --context 257", "a context of 257 tokens, encoding 'learned' ends at 256");
  refuses("cable:variant=5 --template plain", "--no-cache reads the whole text again");
  refuses("learned --template plain --context 257 --dry-run", "encoding 'learned' ends at 256");
  refuses("cable --template plain --context ''", "--context: wanted a value, found an empty one");
  refuses("cable --template plain --max-tokens 0", "--max-tokens: wanted 1 to 4,294,967,296, got 0");
  refuses("cable --template plain --top-p 2", "--top-p: wanted a number in [0, 1], got 2");
  refuses("nowhere --template plain", "nowhere");
  EXPECT_EQ(run("cable:variant=5 --template plain --no-cache", "one\n"), 0) << err_;
}

}  // namespace
}  // namespace longhaul
