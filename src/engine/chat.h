// A chat with a model: a conversation, written by a template, answered token by token.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/conversation_logits.h"
#include "engine/generate.h"
#include "text/chat_template.h"
#include "text/conversation.h"

namespace longhaul {

struct ChatOptions {
  GenerateOptions generate;  // max_tokens, sampler, seed (that of the next answer: each makes it one more), stops, ends
  int64_t context = 0;       // tokens of the whole text, at most
  int64_t chunk = 512;       // as EngineOptions
  CacheType cache_type = CacheType::same;  // as EngineOptions
  bool cache = true;                       // false: the whole text is read again for every token
};

class Chat {
 public:
  struct Answer {
    std::string text, finish;  // as GeneratedText::Sample
    int64_t prompt = 0;        // tokens of the text before it
    int64_t reused = 0;        // of them, those that were there already
    int64_t tokens = 0;        // its own
    double prompt_seconds = 0, decode_seconds = 0;
    int64_t decoded = 0;  // tokens that decode_seconds were spent on
  };
  // Told every piece of the answer, and how many tokens it has by then.
  using OnPiece = std::function<void(std::string_view piece, int64_t tokens)>;

  // The model and the tokenizer must live longer. Error when they do not fit each other, the context is longer than the
  // encoding's, or its past cannot be kept (ChatOptions::cache).
  Chat(const Model& model, const Tokenizer& tokenizer, ChatTemplate chat_template, ChatOptions options);
  Chat(const Chat&) = delete;
  Chat& operator=(const Chat&) = delete;

  Conversation conversation;
  GenerateOptions& generate() { return options_.generate; }
  int64_t context() const { return options_.context; }

  // Answers the last question, and adds the answer to the conversation, also one that `stop` (asked after every token) cut
  // short. Nothing is added when it was stopped before the first token. Error when the text does not fit the context, or the
  // template refuses it: the question stays then, unanswered.
  Answer reply(const OnPiece& on_piece, const std::function<bool()>& stop);

 private:
  std::vector<int64_t> prompt() const;

  const Model& model_;
  const Tokenizer& tokenizer_;
  ChatTemplate template_;
  ChatOptions options_;
  std::function<bool()> stop_;
  std::unique_ptr<Engine> engine_;  // null without a cache
  std::unique_ptr<LogitSource> source_;
};

// The ids that end an answer of the model in `folder`, beside the tokenizer's end of text: end_tokens() of the folder, and the
// eos_token of its tokenizer.
std::vector<int64_t> chat_end_tokens(const std::string& folder, const Tokenizer& tokenizer);

}  // namespace longhaul
