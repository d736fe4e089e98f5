// Chats: what was read stays read, and nothing of that can be seen in the answers.
#include "engine/chat.h"

#include <gtest/gtest.h>

#include "../support.h"
#include "models.h"

namespace longhaul {
namespace {

constexpr int64_t kBytes = 257, kContext = 400;

// Greedy ids behind a prompt.
std::vector<int64_t> continued(LogitSource& source, const std::vector<int64_t>& prompt, int64_t tokens) {
  GenerateOptions options;
  options.sampler.temperature = 0, options.max_tokens = tokens;
  return generate_tokens(source, prompt, options, [](int64_t, int64_t) { return true; }).samples[0];
}

bool never() { return false; }

TEST(ConversationLogits, AreThoseOfTheWholeText) {
  for (const char* position : {"cable", "rope", "alibi"}) {
    const auto model = model_with(position, at::kDouble);
    Engine engine(*model, {.tokens = ConversationLogits::room(*model, kContext)});
    ConversationLogits kept(engine, never);
    RecomputedLogits recomputed(*model);
    std::vector<int64_t> text = some_tokens(70);
    std::vector<std::vector<int64_t>> turns;
    for (int turn = 0; turn < 4; ++turn) {
      turns.push_back(text);
      const std::vector<int64_t> answer = continued(kept, text, 9);
      EXPECT_EQ(answer, continued(recomputed, text, 9)) << position << " " << turn;
      EXPECT_EQ(kept.reused(), turn == 0 ? 0 : static_cast<int64_t>(turns.back().size()) - 6) << position;
      text.insert(text.end(), answer.begin(), answer.end());
      for (int64_t i = 0; i < 5; ++i) text.push_back((turn + i) % kVocab);
    }
    // back to an earlier turn, again, and to another text
    EXPECT_EQ(continued(kept, turns[2], 9), continued(recomputed, turns[2], 9)) << position;
    EXPECT_EQ(kept.reused(), static_cast<int64_t>(turns[2].size()));
    std::vector<int64_t> other = turns[1];
    other.back() = (other.back() + 1) % kVocab;
    EXPECT_EQ(continued(kept, other, 9), continued(recomputed, other, 9)) << position;
    EXPECT_EQ(kept.reused(), static_cast<int64_t>(turns[0].size()) + 8);
  }
}

TEST(ConversationLogits, RoomIsEnoughForManyTurns) {
  const auto model = model_with("nope", at::kFloat);
  Engine engine(*model, {.tokens = ConversationLogits::room(*model, kContext)});
  ConversationLogits kept(engine, never);
  std::vector<int64_t> text = some_tokens(1);
  while (static_cast<int64_t>(text.size()) + 3 <= kContext) {
    const std::vector<int64_t> answer = continued(kept, text, 2);
    text.insert(text.end(), answer.begin(), answer.end());
    text.push_back(static_cast<int64_t>(text.size()) % kVocab);
  }
  EXPECT_GT(text.size(), 390u);
}

ChatOptions options_of(int64_t max_tokens) {
  ChatOptions options;
  options.generate.max_tokens = max_tokens, options.generate.seed = 3, options.context = 64;
  return options;
}

class ChatTest : public testing::Test {
 protected:
  Chat chat_with(const ChatOptions& options,
                 const std::string& form = "{% for m in messages %}{{ m.content }}\n{% endfor %}") {
    return Chat(*model_, *tokenizer_, ChatTemplate(form, "form"), options);
  }
  Chat::Answer reply(Chat& chat, const std::function<bool()>& stop = never) {
    pieces_.clear();
    return chat.reply([&](std::string_view piece, int64_t) { pieces_ += piece; }, stop);
  }
  std::unique_ptr<Model> model_ = model_with("cable", at::kDouble, kBytes);
  std::unique_ptr<Tokenizer> tokenizer_ = make_tokenizer("bytes");
  std::string pieces_;
};

TEST_F(ChatTest, AnswersStreamAndStay) {
  Chat chat = chat_with(options_of(6));
  chat.conversation.ask("hi");
  const Chat::Answer answer = reply(chat);
  EXPECT_EQ(answer.prompt, 3);
  EXPECT_EQ(answer.finish, "length");
  EXPECT_EQ(answer.text, pieces_);
  EXPECT_EQ(chat.conversation.said(), (std::vector<std::string>{"hi", answer.text}));
  EXPECT_EQ(error_of([&] { reply(chat); }), "chat: there is no question to answer");
}

TEST_F(ChatTest, AStoppedAnswerIsKeptAsFarAsItCame) {
  Chat chat = chat_with(options_of(6));
  chat.conversation.ask("hi");
  int asked = 0;  // once before the prompt is read
  const Chat::Answer answer = reply(chat, [&] { return ++asked == 3; });
  EXPECT_EQ(answer.finish, "interrupted");
  EXPECT_EQ(answer.tokens, 2);
  EXPECT_EQ(chat.conversation.said()[1], answer.text);
  chat.conversation.ask("on");
  EXPECT_EQ(reply(chat, [] { return true; }).finish, "interrupted");  // before its first token
  EXPECT_EQ(pieces_, "");
  EXPECT_FALSE(chat.conversation.is_answered());
}

// Says x, then full stops, whatever the model thinks.
ChatOptions x_and_stops(int64_t max_tokens) {
  ChatOptions options = options_of(max_tokens);
  options.generate.sampler.temperature = 0, options.generate.sampler.presence_penalty = 2;
  options.generate.sampler.bias = {{'x', 1000}, {'.', 999}};
  return options;
}

TEST_F(ChatTest, EndTokensEndAnAnswerAndAreNoPartOfIt) {
  ChatOptions options = x_and_stops(6);
  Chat open = chat_with(options);
  open.conversation.ask("hi");
  EXPECT_EQ(reply(open).text.substr(0, 2), "x.");
  options.generate.ends = {7, '.'};
  Chat chat = chat_with(options);
  chat.conversation.ask("hi");
  const Chat::Answer answer = reply(chat);
  EXPECT_EQ(answer.text, "x");
  EXPECT_EQ(pieces_, "x");
  EXPECT_EQ(answer.finish, "end_of_text");
  EXPECT_EQ(answer.tokens, 2);
  options.generate.ends = {}, options.generate.stops = {"."};
  Chat stopped = chat_with(options);
  stopped.conversation.ask("hi");
  EXPECT_EQ(reply(stopped).finish, "stop");
  EXPECT_EQ(stopped.conversation.said()[1], "x");
}

TEST_F(ChatTest, WhatWasReadIsNotReadAgain) {
  ChatOptions options = options_of(6), anew = options;
  options.generate.sampler.bias = anew.generate.sampler.bias = {{'x', 1000}};
  anew.cache = false;
  Chat chat = chat_with(options), recomputed = chat_with(anew);
  for (int turn = 0; turn < 3; ++turn) {
    for (Chat* each : {&chat, &recomputed}) each->conversation.ask("on");
    const Chat::Answer answer = reply(chat);
    EXPECT_EQ(answer.text, reply(recomputed).text);
    // each turn adds 3 for the question and 7 for the answer, whose last letter and line end were not read yet
    EXPECT_EQ(answer.prompt, 3 + 10 * turn);
    EXPECT_EQ(answer.reused, turn == 0 ? 0 : answer.prompt - 3 - 2) << turn;
  }
  // back to the second question, and another one instead of it
  for (Chat* each : {&chat, &recomputed})
    each->conversation.undo(), each->conversation.undo(), each->conversation.ask("on");
  EXPECT_EQ(reply(chat).reused, 13);
  chat.conversation.undo(), chat.conversation.ask("no");
  const Chat::Answer other = reply(chat);
  EXPECT_EQ(other.reused, 8);
  // An answer that was stopped is gone on from too.
  int asked = 0;
  chat.conversation.ask("on");
  EXPECT_EQ(reply(chat, [&] { return ++asked == 4; }).tokens, 3);
  chat.conversation.ask("on");
  const Chat::Answer next = reply(chat);
  EXPECT_EQ(next.reused, next.prompt - 3 - 2);
}

TEST_F(ChatTest, TheContextIsALimit) {
  Chat chat = chat_with(options_of(60));
  chat.conversation.ask(std::string(20, 'x'));
  EXPECT_LE(reply(chat).tokens, 43);
  chat.conversation.ask(std::string(70, 'x'));
  EXPECT_TRUE(contains(error_of([&] { reply(chat); }), " tokens, --context is 64"));
  EXPECT_FALSE(chat.conversation.is_answered());
}

TEST_F(ChatTest, MistakesAreErrors) {
  Chat refusing = chat_with(options_of(6), "{{ raise_exception('no') }}");
  refusing.conversation.ask("hi");
  EXPECT_EQ(error_of([&] { reply(refusing); }), "form:1:4: no");
  Chat silent = chat_with(options_of(6), "{# nothing #}");
  silent.conversation.ask("hi");
  EXPECT_EQ(error_of([&] { reply(silent); }), "chat: the template made nothing of the conversation");
  model_ = model_with("cable", at::kDouble, 100);
  EXPECT_EQ(error_of([&] { chat_with(options_of(6)); }), "chat: the tokenizer has 257 ids, the model knows 100");
}

TEST(EndTokens, OfAFolder) {
  TemporaryFolder folder;
  const auto bytes = make_tokenizer("bytes");
  EXPECT_EQ(chat_end_tokens(folder.path(), *bytes), std::vector<int64_t>());
  write_file(folder / "config.json", R"({"eos_token_id": 7})");
  write_file(folder / "generation_config.json", R"({"eos_token_id": [5, 6]})");
  write_file(folder / "tokenizer_config.json", R"({"eos_token": "."})");
  EXPECT_EQ(chat_end_tokens(folder.path(), *bytes), (std::vector<int64_t>{5, 6, '.'}));
  write_file(folder / "tokenizer_config.json", R"({"eos_token": "</s>"})");  // four bytes, no token
  EXPECT_EQ(chat_end_tokens(folder.path(), *bytes), (std::vector<int64_t>{5, 6}));
}

}  // namespace
}  // namespace longhaul
