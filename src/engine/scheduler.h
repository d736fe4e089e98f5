// Many texts through one engine, several at a time (continuous batching: Yu et al., Orca, OSDI 2022). A pass holds the
// next token of every text that is being continued and parts of the prompts that are being read, end to end, without
// padding; texts enter and leave between passes. What comes of a text does not depend on the others (but as
// Engine::decode says), nor on the options.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/sampler.h"

namespace longhaul {

// Asks for ln p(continuation | context), token by token.
struct ScoreTokens {
  std::vector<int64_t> context, continuation;    // at least one token each
  std::function<void(const TokenScores&)> done;  // of the continuation
};

// Asks for tokens behind a context, until on_token says false or there are max_tokens.
struct ContinueTokens {
  std::vector<int64_t> context;  // at least one token
  int64_t max_tokens = 256;
  SamplerOptions sampler{};
  uint64_t seed = 0, index = 0;  // as Sampler
  int64_t vocab = 0;             // as GenerateOptions
  std::function<bool(int64_t token)> on_token{};
  std::function<void(const Error&)> on_error{};  // no token can be drawn, and the text ends; without it step() throws
};

struct SchedulerOptions {
  int64_t texts = 16;   // in a pass, at most
  int64_t chunk = 512;  // tokens of prompts in a pass, at most
  int64_t longest = 0;  // tokens of a text and what continues it, at most; 0: what there is room for
};

class Scheduler {
 public:
  // Takes the room that the engine has left; all of it must stay free for it.
  Scheduler(Engine& engine, const SchedulerOptions& options);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Queued in this order, but that texts with one context enter one behind the other: what they share is read once.
  // (Not under an encoding that depends on the length: its keys belong to a text of one length.) Callbacks may add
  // more. Error for a text that the engine has no room for, that is longer than the options allow, or has no positions or no such tokens.
  void add(ScoreTokens request);
  void add(ContinueTokens request);
  // One pass; false, and nothing is done, when nothing is left to do.
  bool step();
  void run() {
    while (step()) {
    }
  }
  int64_t tokens_read() const { return tokens_read_; }  // that went through the model so far

 private:
  class Text;
  class ScoreText;
  class ContinueText;
  struct Group;
  class Pass;

  void queue(std::unique_ptr<Text> text);
  bool shares(const Text& text) const;
  void close_to_others(const Group& group);  // no more texts may join it
  int64_t free_pages() const;
  void admit();
  bool open(Group& group);   // decides whether its context is read once for all; false: no room yet
  bool enter(Group& group);  // its next text; false: no room yet
  void give_back_contexts();

  Engine& engine_;
  SchedulerOptions options_;
  int64_t pages_;                                    // in all
  std::shared_ptr<int64_t> reserved_;                // of them, for what has entered
  std::deque<std::shared_ptr<Group>> groups_;        // that have texts waiting
  std::map<std::vector<int64_t>, Group*> joinable_;  // those that more texts may join, by what they share
  std::vector<std::unique_ptr<Text>> running_;       // in the order in which they entered
  int64_t tokens_read_ = 0;
};

}  // namespace longhaul
