#include "engine/logit_source.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "base/error.h"
#include "nn/forward.h"

namespace longhaul {

namespace {

// Whole texts packed end to end; logits [B, V] behind the last token of each.
Tensor logits_of(const Model& model, const std::vector<const std::vector<int64_t>*>& texts, int64_t request,
                 double skip_eps) {
  const c10::InferenceMode on;
  std::vector<int64_t> tokens, lengths, last;
  for (const std::vector<int64_t>* text : texts) {
    tokens.insert(tokens.end(), text->begin(), text->end());
    lengths.push_back(static_cast<int64_t>(text->size()));
    last.push_back(static_cast<int64_t>(tokens.size()) - 1);
  }
  const auto integers = at::TensorOptions(at::kLong);
  Sequences seq = Sequences::whole(lengths);
  if (model.encoding().plans_request())
    for (int64_t& total : seq.total) total = std::max(total, request);
  ForwardOptions options;
  options.skip_eps = skip_eps;
  const Tensor x = forward(model, at::tensor(tokens, integers), seq, options);
  const Head head = model.head();
  return logits(normalize(at::index_select(x, 0, at::tensor(last, integers)), head.norm), head.logits);
}

}  // namespace

Tensor CachedLogits::begin(std::span<const int64_t> prompt, int64_t count) {
  sessions_.clear();
  Session trunk = engine_.session();
  const bool plans = engine_.model().encoding().plans_request();
  const Tensor logits = trunk.prefill(prompt, plans ? std::max(request_, static_cast<int64_t>(prompt.size())) : 0);
  for (int64_t n = 1; n < count; ++n) sessions_.emplace_back(trunk.fork());
  sessions_.emplace_back(std::move(trunk));
  return logits;
}

Tensor CachedLogits::next(const std::vector<int64_t>& texts, const std::vector<int64_t>& tokens) {
  std::vector<Session*> sessions;
  for (int64_t text : texts) sessions.push_back(&sessions_.at(static_cast<size_t>(text)).value());
  return engine_.decode(sessions, tokens);
}

void CachedLogits::end(int64_t text) { sessions_.at(static_cast<size_t>(text)).reset(); }

int64_t CachedLogits::room(const Model& model, int64_t prompt, int64_t more, int64_t count) {
  // Texts that are read anew on their way share nothing any more.
  const bool anew = model.encoding().begins_anew(prompt, prompt + more);
  const int64_t shared = anew ? 0 : prompt / kPageRows, own = Engine::pages_for(prompt + more) - shared;
  return (shared + count * own) * kPageRows;
}

Tensor RecomputedLogits::begin(std::span<const int64_t> prompt, int64_t count) {
  texts_.assign(static_cast<size_t>(count), {prompt.begin(), prompt.end()});
  return logits_of(model_, {&texts_.front()}, request_, skip_eps_)[0];
}

Tensor RecomputedLogits::next(const std::vector<int64_t>& texts, const std::vector<int64_t>& tokens) {
  std::vector<const std::vector<int64_t>*> asked;
  for (size_t n = 0; n < texts.size(); ++n) {
    std::vector<int64_t>& text = texts_.at(static_cast<size_t>(texts[n]));
    text.push_back(tokens[n]);
    asked.push_back(&text);
  }
  return logits_of(model_, asked, request_, skip_eps_);
}

void RecomputedLogits::end(int64_t text) { texts_.at(static_cast<size_t>(text)).clear(); }

}  // namespace longhaul
