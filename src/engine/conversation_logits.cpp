#include "engine/conversation_logits.h"

#include <algorithm>

#include "base/error.h"

namespace longhaul {

Tensor ConversationLogits::begin(std::span<const int64_t> prompt, int64_t count) {
  check(count == 1, "chat: wanted one text, got ", count);
  live_.reset();
  std::erase_if(states_, [&](const State& state) {
    return state.tokens.size() > prompt.size() || !std::equal(state.tokens.begin(), state.tokens.end(), prompt.begin());
  });
  const bool known = !states_.empty();
  State state = known ? State{states_.back().tokens, states_.back().session.fork(), states_.back().logits}
                      : State{{}, engine_.session(), {}};
  reused_ = static_cast<int64_t>(state.tokens.size());
  if (state.tokens.size() < prompt.size()) {
    read(state, prompt);
    keep({state.tokens, state.session.fork(), state.logits});
  }
  live_.emplace(std::move(state));
  return live_->logits;
}

// The rest of the prompt, in chunks that know the whole prompt's length.
void ConversationLogits::read(State& state, std::span<const int64_t> prompt) {
  const bool plans = engine_.model().encoding().plans_request();
  const auto chunk = static_cast<size_t>(engine_.chunk());
  for (size_t at = state.tokens.size(); at < prompt.size();) {
    if (stop_()) throw PromptStopped();
    const auto piece = prompt.subspan(at, std::min(chunk, prompt.size() - at));
    at += piece.size();
    const int64_t whole = at < prompt.size() ? static_cast<int64_t>(prompt.size()) : 0;
    state.logits =
        state.session.prefill(piece, plans ? std::max(context_, static_cast<int64_t>(prompt.size())) : whole);
  }
  state.tokens.assign(prompt.begin(), prompt.end());
}

Tensor ConversationLogits::next(const std::vector<int64_t>& texts, const std::vector<int64_t>& tokens) {
  check(texts.size() == 1 && live_, "chat: wanted the one text that has begun");
  live_->logits = live_->session.decode(tokens[0]);
  live_->tokens.push_back(tokens[0]);
  return live_->logits.unsqueeze(0);
}

void ConversationLogits::end(int64_t) {
  if (live_) keep(*std::exchange(live_, std::nullopt));
}

void ConversationLogits::keep(State state) {
  states_.push_back(std::move(state));
  const int64_t most = most_states(engine_.model(), engine_.pool().pages() * kPageRows);
  if (static_cast<int64_t>(states_.size()) > most) states_.erase(states_.begin());
}

// States of a text that is read anew on its way (its policy moves with the length) share nothing.
int64_t ConversationLogits::most_states(const Model& model, int64_t tokens) {
  return model.encoding().begins_anew(1, tokens) ? 2 : 16;
}

// Otherwise each may have a page of its own that the others fill differently, and so may the text in progress.
int64_t ConversationLogits::room(const Model& model, int64_t tokens) {
  const int64_t pages = Engine::pages_for(tokens), states = most_states(model, tokens) + 2;
  return (model.encoding().begins_anew(1, tokens) ? pages * states : pages + states) * kPageRows;
}

}  // namespace longhaul
