// Sessions against the definition: whatever was kept, forked or batched, the logits are those of the whole text from nothing.
#include "engine/engine.h"

#include <gtest/gtest.h>

#include <ATen/ops/argmax.h>
#include <ATen/ops/equal.h>

#include "../support.h"
#include "models.h"

namespace longhaul {
namespace {

double difference(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

std::vector<int64_t> first(const std::vector<int64_t>& tokens, int64_t count) {
  return {tokens.begin(), tokens.begin() + count};
}

class EveryCache : public testing::TestWithParam<std::string> {
 protected:
  // As long as the encoding allows: 150 tokens are three pages.
  static int64_t longest(const Model& model) { return model.info().traits.longest ? model.info().traits.longest : 150; }
};

TEST_P(EveryCache, DecodingIsRecomputation) {
  const auto model = model_with(GetParam(), at::kDouble);
  const int64_t length = longest(*model);
  if (!model->info().traits.grows()) {
    EXPECT_TRUE(contains(error_of([&] { Engine(*model, {.tokens = length}); }), "cannot go on from kept keys"));
    return;
  }
  const std::vector<int64_t> tokens = some_tokens(length);
  Engine engine(*model, {.tokens = length});
  Session session = engine.session();
  Tensor logits = session.prefill(first(tokens, 5));
  for (int64_t n = 5;; ++n) {
    ASSERT_LT(difference(logits, recomputed(*model, first(tokens, n))), 1e-12) << n << " tokens";
    if (n == length) break;
    logits = session.decode(tokens[static_cast<size_t>(n)]);
  }
  EXPECT_EQ(session.length(), length);
}

TEST_P(EveryCache, GreedyTokensInFloatAreThoseOfRecomputation) {
  const auto model = model_with(GetParam(), at::kFloat);
  if (!model->info().traits.grows()) return;
  std::vector<int64_t> text = some_tokens(5);
  Engine engine(*model, {.tokens = longest(*model)});
  Session session = engine.session();
  for (Tensor logits = session.prefill(text);; logits = session.decode(text.back())) {
    ASSERT_EQ(at::argmax(logits).item<int64_t>(), at::argmax(recomputed(*model, text)).item<int64_t>()) << text.size();
    if (session.length() == longest(*model)) break;
    text.push_back(at::argmax(logits).item<int64_t>());
  }
}

TEST_P(EveryCache, ChunksOfAPromptAreOnePass) {
  const auto model = model_with(GetParam(), at::kDouble);
  if (!model->info().traits.grows()) return;
  const std::vector<int64_t> tokens = some_tokens(longest(*model));
  const Tensor whole = recomputed(*model, tokens);
  for (int64_t chunk : {1, 7, 64, 1000}) {
    Engine engine(*model, {.tokens = longest(*model), .chunk = chunk});
    Session session = engine.session();
    EXPECT_LT(difference(session.prefill(tokens), whole), 1e-12) << "chunk " << chunk;
    Session parts = engine.session();  // there is no room for both
    EXPECT_THROW(parts.prefill(tokens), Error);
    session = engine.session();
    parts.prefill(std::span(tokens).first(9), longest(*model));
    EXPECT_LT(difference(parts.prefill(std::span(tokens).subspan(9)), whole), 1e-12) << "chunk " << chunk;
  }
}

TEST_P(EveryCache, ABatchIsEachAlone) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const auto model = model_with(GetParam(), dtype);
    if (!model->info().traits.grows()) return;
    const double tolerance = dtype == at::kDouble ? 1e-13 : 1e-6;
    const std::vector<int64_t> tokens = some_tokens(longest(*model));
    Engine engine(*model, {.tokens = 4 * 192});
    std::vector<Session> sessions;
    std::vector<int64_t> lengths = {3, 1, longest(*model) - 4, 9};
    for (int64_t length : lengths) {
      sessions.push_back(engine.session());
      sessions.back().prefill(std::span(tokens).first(static_cast<size_t>(length)));
    }
    for (int step = 0; step < 4; ++step) {
      std::vector<Session*> together;
      std::vector<int64_t> next;
      for (size_t b = 0; b < sessions.size(); ++b) {
        together.push_back(&sessions[b]);
        next.push_back(tokens[static_cast<size_t>(lengths[b] + step)]);
      }
      const Tensor logits = engine.decode(together, next);
      for (size_t b = 0; b < sessions.size(); ++b) {
        const Tensor alone = recomputed(*model, first(tokens, lengths[b] + step + 1));
        EXPECT_LT(difference(logits[static_cast<int64_t>(b)], alone), tolerance)
            << "sequence " << b << " step " << step;
      }
    }
  }
}

std::vector<std::string> every_spec() {
  std::vector<std::string> specs = Encodings().names();
  for (const char* more : {"rope:layout=half,dim=4", "cable:variant=nw", "cable:variant=5", "kcable:variant=nw",
                           "dape:version=2", "dape:base=(cable)", "t5:variant=upstream", "kerple:kind=power"})
    specs.push_back(more);
  return specs;
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryCache, testing::ValuesIn(every_spec()), [](const auto& info) {
  std::string name = info.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

TEST(Sessions, ForksDoNotDisturbOneAnother) {
  const auto model = model_with("cable", at::kDouble);
  const std::vector<int64_t> prompt = some_tokens(100);
  Engine engine(*model, {.tokens = 64 * 8});
  {
    Session trunk = engine.session();
    trunk.prefill(prompt);
    EXPECT_EQ(engine.pool().free_pages(), 6);
    Session left = trunk.fork(), right = trunk.fork();
    EXPECT_EQ(engine.pool().free_pages(), 6);  // a fork takes nothing
    std::vector<int64_t> left_text = prompt, right_text = prompt, trunk_text = prompt;
    auto step = [&](Session& session, std::vector<int64_t>& text, int64_t token) {
      text.push_back(token);
      EXPECT_LT(difference(session.decode(token), recomputed(*model, text)), 1e-12);
    };
    for (int64_t n = 0; n < 40; ++n) {  // past the end of the second page
      step(left, left_text, n % kVocab);
      step(right, right_text, (5 * n + 1) % kVocab);
      step(trunk, trunk_text, (11 * n + 2) % kVocab);
    }
    EXPECT_EQ(engine.pool().references(0), 3);         // the full page of the prompt is shared for ever
    EXPECT_EQ(engine.pool().free_pages(), 8 - 1 - 6);  // of their own: the rest of the prompt, and what came behind it
    Session moved = std::move(left);
    step(moved, left_text, 3);
  }
  EXPECT_EQ(engine.pool().free_pages(), 8);
  for (int64_t page = 0; page < 8; ++page) EXPECT_EQ(engine.pool().references(page), 0);
}

TEST(Sessions, ForksOfOneTextInOneBatch) {
  const auto model = model_with("alibi", at::kDouble);
  std::vector<int64_t> prompt = some_tokens(70);
  Engine engine(*model, {.tokens = 64 * 4});
  Session trunk = engine.session();
  trunk.prefill(prompt);
  {
    Session a = trunk.fork(), b = trunk.fork();  // with the trunk, two copies are needed: there is room for just those
    const Tensor logits = engine.decode({&a, &trunk, &b}, {1, 2, 3});
    EXPECT_EQ(engine.pool().free_pages(), 0);
    for (int64_t n = 0; n < 3; ++n) {
      std::vector<int64_t> text = prompt;
      text.push_back(n + 1);
      EXPECT_LT(difference(logits[n], recomputed(*model, text)), 1e-12);
    }
  }
  EXPECT_EQ(engine.pool().free_pages(), 2);
}

TEST(Sessions, RunningOutOfRoomLosesNothing) {
  const auto model = model_with("cable", at::kDouble);
  const std::vector<int64_t> prompt = some_tokens(120);
  Engine engine(*model, {.tokens = 192});
  Session session = engine.session(), other = engine.session();
  session.prefill(prompt);
  other.prefill(first(prompt, 60));
  const std::string message = error_of([&] { other.prefill(first(prompt, 70)); });
  EXPECT_TRUE(contains(message, "out of room: 128 tokens") && contains(message, "0 of 192 are free")) << message;
  Session fork = other.fork();
  EXPECT_THROW(fork.decode(1), Error);                            // its page is shared, and no other is free
  EXPECT_THROW(engine.decode({&session, &fork}, {1, 1}), Error);  // nor does the first of the two go on
  EXPECT_EQ(session.length(), 120);
  EXPECT_EQ(other.length(), 60);
  std::vector<int64_t> text = prompt;
  text.push_back(4);
  EXPECT_LT(difference(session.decode(4), recomputed(*model, text)), 1e-12);
  text = first(prompt, 60);
  text.push_back(5);
  fork = engine.session();
  EXPECT_LT(difference(other.decode(5), recomputed(*model, text)), 1e-12);
}

TEST(Sessions, MistakesAreErrors) {
  const auto model = model_with("learned", at::kFloat);
  const std::string too_big = error_of([&] { Engine(*model, {.tokens = int64_t{1} << 60}); });
  EXPECT_TRUE(contains(too_big, "a cache of 1,152,921,504,606,846,976 tokens takes") && contains(too_big, "left"));
  EXPECT_THROW(Engine(*model, {.tokens = 0}), Error);
  EXPECT_THROW(Engine(*model, {.tokens = 10, .chunk = 0}), Error);
  Engine engine(*model, {.tokens = 64}), stranger(*model, {.tokens = 64});
  Session session = engine.session(), other = stranger.session();
  EXPECT_TRUE(contains(error_of([&] { session.prefill(some_tokens(17)); }), "ends at 16 tokens, asked for 17"));
  EXPECT_THROW(session.prefill(some_tokens(10), 17), Error);
  EXPECT_THROW(session.prefill(some_tokens(10), 9), Error);
  EXPECT_THROW(session.prefill({}), Error);
  EXPECT_TRUE(contains(error_of([&] { session.decode(kVocab); }), "token ids must be in [0, 31), got 31"));
  EXPECT_THROW(session.decode(-1), Error);
  EXPECT_THROW(engine.decode({&session, &session}, {1, 1}), Error);
  EXPECT_THROW(engine.decode({&session, &other}, {1, 1}), Error);
  EXPECT_THROW(engine.decode({&session}, {1, 1}), Error);
  EXPECT_EQ(session.length(), 0);
  EXPECT_EQ(engine.pool().free_pages(), 1);
}

TEST(Engine, BytesAreWhatThePoolsHold) {
  const auto model = model_with("cable", at::kFloat);
  Engine engine(*model, {.tokens = 100});
  // Keys and values of 24 floats, 3 sums in double, in 2 layers; one position.
  EXPECT_EQ(engine.bytes(), 128 * (2 * (2 * 24 * 4 + 3 * 8) + 8));
  EXPECT_EQ(engine.bytes_in_use(), 0);
  Session session = engine.session();
  session.prefill(some_tokens(3));
  EXPECT_EQ(engine.bytes_in_use(), engine.bytes() / 2);
}

}  // namespace
}  // namespace longhaul
