// Sessions under length methods: a cache, chunks and neighbours change nothing, far beyond the trained length; policies that follow
// the text are exact at every step.
#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>

#include "engine/conversation_logits.h"
#include "engine/logit_source.h"
#include "engine/models.h"

namespace longhaul {
namespace {

std::unique_ptr<Model> model_under(const std::string& method, at::ScalarType dtype = at::kDouble) {
  ModelOptions options;
  options.position = "rope", options.vocab = kVocab, options.trained_length = kTrained;
  options.dtype = dtype, options.seed = 3, options.method = method;
  return create_model("gpt:layers=2,width=24,heads=3", options);
}

double difference(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

constexpr const char* kExact[] = {"self-extend:group=4,window=8",
                                  "rerope:window=8,leak=2",
                                  "sink",
                                  "lm-infinite:global=2",
                                  "log-n",
                                  "yarn:factor=4+sink+log-n",
                                  "pi:factor=4+self-extend:group=2,window=5"};

TEST(MethodSessions, DecodingEqualsReadingTheTextAnew) {
  const at::NoGradGuard off;
  const std::vector<int64_t> tokens = some_tokens(150);
  for (const char* method : kExact) {
    const auto model = model_under(method);
    Engine engine(*model, {.tokens = 600, .chunk = 13});
    Session session = engine.session(), other = engine.session();
    session.prefill(std::span(tokens).first(90));
    other.prefill(std::span(tokens).first(20));
    for (size_t n = 90; n < 95; ++n) {
      const Tensor rows = engine.decode({&other, &session}, {tokens[n - 70], tokens[n]});
      EXPECT_LT(difference(rows[1], recomputed(*model, {tokens.begin(), tokens.begin() + n + 1})), 1e-10) << method;
      EXPECT_LT(difference(rows[0], recomputed(*model, {tokens.begin(), tokens.begin() + n - 69})), 1e-10) << method;
    }
    Session fork = session.fork();
    const Tensor more = fork.prefill(std::span(tokens).subspan(95, 55));
    EXPECT_LT(difference(more, recomputed(*model, tokens)), 1e-10) << method;
  }
}

TEST(MethodSessions, ChunksOfAPromptKnowItsLength) {
  const at::NoGradGuard off;
  const std::vector<int64_t> tokens = some_tokens(120);
  for (const char* method :
       {"dynamic", "dynamic-yarn", "dynamic:factor=2+self-extend:group=4,window=8+log-n:by=text"}) {
    const auto model = model_under(method);
    const Tensor want = recomputed(*model, tokens);
    for (int64_t chunk : {1, 7, 64}) {
      Engine engine(*model, {.tokens = 200, .chunk = chunk});
      EXPECT_LT(difference(engine.session().prefill(tokens), want), 1e-10) << method << ", chunk " << chunk;
    }
  }
}

// One plan for prompt and continuation: no step differs from a pass over the whole text, as with frequencies of that length.
TEST(MethodSessions, ARequestIsPlannedAsAWhole) {
  const at::NoGradGuard off;
  const std::vector<int64_t> tokens = some_tokens(80);
  const auto model = model_under("dynamic:mode=per-request"), fixed = model_under("ntk:factor=5");
  Engine engine(*model, {.tokens = 300, .chunk = 16});
  CachedLogits cached(engine, 80);
  RecomputedLogits anew(*model, 80);
  ConversationLogits chat(
      engine, [] { return false; }, 80);
  const std::span<const int64_t> prompt = std::span(tokens).first(30);
  const Tensor first = cached.begin(prompt, 1);
  EXPECT_LT(difference(first, anew.begin(prompt, 1)), 1e-10);
  EXPECT_LT(difference(first, chat.begin(prompt, 1)), 1e-10);
  for (size_t n = 30; n < 42; ++n) {
    const Tensor row = cached.next({0}, {tokens[n]})[0];
    EXPECT_LT(difference(row, anew.next({0}, {tokens[n]})[0]), 1e-10);
    EXPECT_LT(difference(row, chat.next({0}, {tokens[n]})[0]), 1e-10);
    EXPECT_LT(difference(row, recomputed(*fixed, {tokens.begin(), tokens.begin() + n + 1})), 1e-9);  // 80 / 16 = 5
  }
}

TEST(MethodSessions, AMethodChangesWhatAModelSays) {
  const at::NoGradGuard off;
  const std::vector<int64_t> tokens = some_tokens(60);
  const Tensor plain = recomputed(*model_under("none"), tokens);
  for (const char* method : kExact)
    EXPECT_GT(difference(recomputed(*model_under(method), tokens), plain), 1e-6) << method;
}

}  // namespace
}  // namespace longhaul
