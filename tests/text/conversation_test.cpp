#include "text/conversation.h"

#include <gtest/gtest.h>

#include "support.h"

namespace longhaul {

namespace {

TEST(Conversation, QuestionsAndAnswersInTurn) {
  Conversation talk;
  EXPECT_EQ(talk.undo(), std::nullopt);
  EXPECT_EQ(talk.messages(), Json::array());
  EXPECT_EQ(error_of([&] { talk.answer("a"); }), "there is no question to answer");
  talk.system = "S";
  talk.ask("q1");
  EXPECT_EQ(error_of([&] { talk.ask("q"); }), "the last question has no answer yet");
  talk.answer("a1");
  talk.ask("q2 \xFF");
  EXPECT_EQ(talk.messages().dump(), R"([{"role":"system","content":"S"},{"role":"user","content":"q1"},)"
                                    R"({"role":"assistant","content":"a1"},{"role":"user","content":"q2 �"}])");
  EXPECT_EQ(talk.undo(), "q2 \xEF\xBF\xBD");
  EXPECT_EQ(talk.undo(), "q1");
  EXPECT_TRUE(talk.empty());
  EXPECT_EQ(talk.system, "S");
}

TEST(Conversation, IsSavedAndLoaded) {
  TemporaryFolder folder;
  Conversation talk;
  talk.system = "S";
  talk.ask("q");
  talk.answer("a\n\"é\"");
  talk.save(folder / "talk", "chatml");
  EXPECT_EQ(read_json(folder / "talk.json").dump(),
            R"({"template_name":"chatml","system_message":"S","roles":["user","assistant"],)"
            R"("messages":[["user","q"],["assistant","a\n\"é\""]],"offset":0})");
  for (const char* name : {"talk", "talk.json"}) {
    const Conversation loaded = Conversation::load(folder / name);
    EXPECT_EQ(loaded.said(), talk.said());
    EXPECT_EQ(loaded.system, "S");
  }
}

TEST(Conversation, ReadsFastChatsAndOpenAIsFiles) {
  TemporaryFolder folder;
  write_file(folder / "fast.json", R"({"template_name": "vicuna_v1.1", "system_message": "S", "offset": 0,
    "roles": ["USER", "ASSISTANT"], "messages": [["USER", "q"], ["ASSISTANT", "a"], ["USER", "r"], ["ASSISTANT", null]]})");
  EXPECT_EQ(Conversation::load(folder / "fast.json").said(), (std::vector<std::string>{"q", "a"}));
  write_file(folder / "open.json",
             R"({"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "q"},
    {"role": "assistant", "content": "a"}]})");
  const Conversation open = Conversation::load(folder / "open.json");
  EXPECT_EQ(open.said(), (std::vector<std::string>{"q", "a"}));
  EXPECT_EQ(open.system, "S");
  write_file(folder / "bare.json", R"([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])");
  EXPECT_EQ(Conversation::load(folder / "bare.json").said(), (std::vector<std::string>{"q", "a"}));
}

TEST(Conversation, MistakesInFilesAreNamed) {
  TemporaryFolder folder;
  const std::string path = folder / "x.json";
  auto error = [&](const std::string& text) {
    write_file(path, text);
    return error_of([&] { Conversation::load(path); });
  };
  EXPECT_EQ(error("5"), path + ": wanted a list of messages, or an object with one");
  EXPECT_EQ(error(R"({"messages": [["user"]]})"), path + ": messages[0]: wanted [role, text], or a role and a content");
  EXPECT_EQ(error(R"({"messages": [["user", 5]]})"), path + ": messages[0]: wanted a text, found number");
  EXPECT_EQ(error(R"({"messages": [["bot", "x"]]})"),
            path + ": messages[0]: wanted the role 'user' or 'assistant', found 'bot'");
  EXPECT_EQ(error(R"({"messages": [["user", "x"], ["user", "y"]]})"),
            path + ": messages[1]: wanted questions and answers in turn, found 'user' twice");
  EXPECT_EQ(error(R"({"messages": [], "roles": ["a"]})"), path + ": roles: wanted two");
  // What is not there goes by the name that it was asked by.
  const std::string absent = folder / "absent";
  EXPECT_EQ(error_of([&] { Conversation::load(absent); }),
            absent + ": cannot read: there is no such file, and no absent.json");
  EXPECT_TRUE(contains(error_of([&] { Conversation::load(absent + ".txt"); }), absent + ".txt: cannot read: "));
}

}  // namespace

}  // namespace longhaul
