// The logits of one text that grows turn by turn: what a prompt shares with an earlier one is not read again.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/logit_source.h"

namespace longhaul {

// Thrown out of begin() when the stop function says so: nothing was generated.
struct PromptStopped {};

class ConversationLogits : public LogitSource {
 public:
  // `stop` is asked between chunks of a prompt. The engine's room must be at least room(model, longest text).
  // `context`: tokens of the text at most, for encodings that plan them (Encoding::plans_request).
  ConversationLogits(Engine& engine, std::function<bool()> stop, int64_t context = 0)
      : engine_(engine), stop_(std::move(stop)), context_(context) {}
  Tensor begin(std::span<const int64_t> prompt, int64_t count) override;  // count must be 1
  Tensor next(const std::vector<int64_t>& texts, const std::vector<int64_t>& tokens) override;
  void end(int64_t text) override;
  int64_t reused() const { return reused_; }                // tokens of the last prompt that were there already
  static int64_t room(const Model& model, int64_t tokens);  // EngineOptions::tokens for a text of so many

 private:
  // The state behind a beginning of the text. All that are kept are beginnings of the last prompt, shortest first.
  struct State {
    std::vector<int64_t> tokens;
    Session session;
    Tensor logits;  // [V]
  };
  static int64_t most_states(const Model& model, int64_t tokens);
  void keep(State state);
  void read(State& state, std::span<const int64_t> prompt);

  Engine& engine_;
  std::function<bool()> stop_;
  int64_t context_;
  std::vector<State> states_;
  std::optional<State> live_;
  int64_t reused_ = 0;
};

}  // namespace longhaul
