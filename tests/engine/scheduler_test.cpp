// Many texts at a time: each gets what it would get alone, from nothing, whatever enters, leaves and shares beside it.
#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tensor.h>

#include "../support.h"
#include "../toy_checkpoint.h"
#include "engine/generate.h"
#include "models.h"

namespace longhaul {
namespace {

std::vector<int64_t> joined(std::vector<int64_t> a, const std::vector<int64_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
std::vector<int64_t> tokens_from(int64_t begin, int64_t count) {
  std::vector<int64_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back((5 * (begin + i) + (begin + i) * (begin + i)) % kVocab);
  return tokens;
}

// From the definition: one forward of the text up to each token, in double.
std::vector<double> log_probs(const Model& model, const std::vector<int64_t>& context,
                              const std::vector<int64_t>& continuation) {
  std::vector<double> found;
  std::vector<int64_t> text = context;
  for (int64_t token : continuation) {
    found.push_back(at::log_softmax(recomputed(model, text).to(at::kDouble), 0)[token].item<double>());
    text.push_back(token);
  }
  return found;
}

struct Scored {
  std::vector<int64_t> context, continuation;
};
// Contexts of one token and of pages, shared and not, continuations of one token and of many.
std::vector<Scored> scored_texts() {
  const std::vector<int64_t> a = tokens_from(1, 70), b = tokens_from(9, 5), c = tokens_from(4, 1);
  return {{a, tokens_from(2, 3)},  {b, tokens_from(3, 80)},
          {a, tokens_from(8, 1)},  {c, tokens_from(2, 2)},
          {a, tokens_from(5, 7)},  {b, tokens_from(6, 1)},
          {c, tokens_from(11, 1)}, {tokens_from(7, 64), tokens_from(1, 64)}};
}

std::vector<std::vector<double>> scores(const Model& model, const std::vector<Scored>& texts, int64_t room,
                                        const SchedulerOptions& options, int64_t* read = nullptr) {
  Engine engine(model, {.tokens = room});
  std::vector<std::vector<double>> found(texts.size());
  Scheduler scheduler(engine, options);
  for (size_t i = 0; i < texts.size(); ++i) {
    scheduler.add(ScoreTokens{texts[i].context, texts[i].continuation, [&found, i](const TokenScores& scores) {
                                const double* p = scores.log_prob.const_data_ptr<double>();
                                EXPECT_TRUE(found[i].empty());
                                found[i].assign(p, p + scores.log_prob.numel());
                              }});
  }
  scheduler.run();
  EXPECT_EQ(engine.bytes_in_use(), 0);
  if (read) *read = scheduler.tokens_read();
  return found;
}

TEST(Scheduler, ScoresAreThoseOfTheDefinition) {
  for (const char* position : {"cable", "rope"}) {
    const auto model = model_with(position, at::kDouble);
    const std::vector<Scored> texts = scored_texts();
    std::vector<std::vector<double>> wanted;
    for (const Scored& text : texts) wanted.push_back(log_probs(*model, text.context, text.continuation));
    for (const SchedulerOptions& options : {SchedulerOptions{16, 512}, {1, 100}, {3, 7}}) {
      for (int64_t room : {10 * kPageRows, 3 * kPageRows}) {
        const auto found = scores(*model, texts, room, options);
        for (size_t i = 0; i < texts.size(); ++i) {
          ASSERT_EQ(found[i].size(), wanted[i].size()) << position << " " << i;
          for (size_t k = 0; k < found[i].size(); ++k)
            EXPECT_NEAR(found[i][k], wanted[i][k], 1e-11) << position << " " << i << " " << k;
        }
      }
    }
  }
}

TEST(Scheduler, AContextIsReadOnceForAll) {
  const auto model = model_with("cable", at::kFloat);
  const std::vector<int64_t> context = tokens_from(1, 130);
  std::vector<Scored> texts;
  for (int64_t i = 0; i < 20; ++i) texts.push_back({context, tokens_from(i, 2)});
  int64_t read = 0;
  scores(*model, texts, 40 * kPageRows, {4, 512}, &read);
  EXPECT_EQ(read, 129 + 20 * 2);
  // Others between them do not change that.
  for (int64_t i = 0; i < 5; ++i) texts.insert(texts.begin() + 3 * i, {tokens_from(i, 9), tokens_from(i, 3)});
  scores(*model, texts, 40 * kPageRows, {4, 512}, &read);
  EXPECT_EQ(read, 129 + 20 * 2 + 5 * 11);
}

// A context that is read ahead leaves room for the texts before it: nobody waits for ever, and nothing is read twice.
TEST(Scheduler, ContextsThatFillTheRoomAreNoDeadlock) {
  const auto model = model_with("nope", at::kFloat);
  Engine engine(*model, {.tokens = 16 * kPageRows});
  Scheduler scheduler(engine, {2, 512});
  int64_t generated = 0, scored = 0, steps = 0;
  for (int64_t i = 0; i < 2; ++i)
    scheduler.add(ContinueTokens{tokens_from(1, 100), 413, {}, 0, 0, 0, [&](int64_t) { return ++generated > 0; }});
  for (int64_t i = 0; i < 2; ++i)
    scheduler.add(ScoreTokens{tokens_from(2, 460), tokens_from(i, 10), [&](const TokenScores&) { ++scored; }});
  while (scheduler.step()) ASSERT_LT(++steps, 2000);
  EXPECT_EQ(generated, 2 * 413);
  EXPECT_EQ(scored, 2);
  EXPECT_EQ(scheduler.tokens_read(), 99 + 2 * 413 + 459 + 2 * 10);
}

// Beside the context that it shares with those before it there is no room for this one: it is read alone.
TEST(Scheduler, WhoComesLateAndDoesNotFitBesideTheContextIsReadAlone) {
  const auto model = model_with("nope", at::kFloat);
  Engine engine(*model, {.tokens = 3 * kPageRows});
  Scheduler scheduler(engine, {1, 512});
  int64_t ended = 0;
  const auto add = [&](int64_t count) {
    scheduler.add(ContinueTokens{tokens_from(1, 72), count, {}, 0, 0, 0, [&ended, left = count](int64_t) mutable {
                                   ended += --left == 0;
                                   return true;
                                 }});
  };
  add(3), add(3);
  ASSERT_TRUE(scheduler.step());
  add(121), add(2);
  for (int64_t steps = 0; scheduler.step(); ++steps) ASSERT_LT(steps, 1000);
  EXPECT_EQ(ended, 4);
}

// Logits that are no numbers are one text's own trouble.
TEST(Scheduler, ATextThatCannotGoOnLeavesTheOthersAlone) {
  const auto model = model_with("nope", at::kFloat);
  Engine engine(*model, {.tokens = 8 * kPageRows});
  Scheduler scheduler(engine, {4, 512});
  int64_t drawn = 0;
  std::string error;
  SamplerOptions unknown;
  unknown.bias[kVocab] = 1;  // an id that the logits do not have
  scheduler.add(ContinueTokens{
      {1, 2}, 4, unknown, 0, 0, 0, [](int64_t) { return true; }, [&](const Error& found) { error = found.what(); }});
  scheduler.add(ContinueTokens{{1, 2}, 4, {}, 0, 0, 0, [&](int64_t) { return ++drawn > 0; }});
  while (scheduler.step()) {
  }
  EXPECT_EQ(error, "sampler: token 31 is not among the 31 logits");
  EXPECT_EQ(drawn, 4);
}

// Frequencies that move with the text at every step, that are set for a request as a whole, or that begin anew when the
// text is longer than 36 tokens; logits that are scaled by its length.
constexpr const char* kMoving[] = {"step", "request", "anew", "log-n"};

std::unique_ptr<Model> moving_model(const std::string& how) {
  ToyCheckpoint toy = toy_checkpoint(how == "anew" ? "phi3" : "llama", kVocab);
  if (how == "step") toy.config["rope_scaling"] = {{"rope_type", "dynamic"}, {"factor", 4.0}};
  if (how == "anew") {
    toy.config["max_position_embeddings"] = 144;
    toy.config["original_max_position_embeddings"] = 36;
    toy.config["rope_scaling"] = {{"type", "longrope"}, {"short_factor", {1, 1}}, {"long_factor", {2, 4}}};
  }
  if (how == "chunk") {
    toy.config["rope_scaling"] = {{"type", "clex"}, {"max_factor", 8}};
    toy.config["log_scale"] = false;
    toy.shapes["model.clex_layer.proj_func.ode_up_proj"] = {2, 4};
    toy.shapes["model.clex_layer.proj_func.ode_down_proj"] = {4, 2};
  }
  const TemporaryFolder folder;
  toy.write(folder.path());
  LoadOptions options;
  options.dtype = at::kDouble;
  if (how == "request") options.method = "dynamic:mode=per-request";
  if (how == "log-n") options.method = "log-n:by=text";
  if (how == "chunk") options.method = "clex:chunks=upstream";
  return load_model(folder.path(), options);
}

// Of text i, what one forward over all of it says of its continuation.
void expect_one_forward(const Model& model, const Scored& text, const std::vector<double>& found) {
  const std::vector<int64_t> whole = joined(text.context, text.continuation);
  const std::vector<int64_t> read(whole.begin(), whole.end() - 1), targets(whole.begin() + 1, whole.end());
  const TokenScores wanted = score_tokens(model, at::tensor(read), at::tensor(targets),
                                          Sequences::equal(1, static_cast<int64_t>(read.size())), {});
  const auto first = static_cast<int64_t>(text.context.size()) - 1;
  ASSERT_EQ(found.size(), text.continuation.size());
  for (size_t k = 0; k < found.size(); ++k)
    EXPECT_NEAR(found[k], wanted.log_prob[first + static_cast<int64_t>(k)].item<double>(), 1e-11) << k;
}

// A context that moves with the length belongs to one text: a forward of the whole text decides.
TEST(Scheduler, MovingPoliciesScoreAsOneForward) {
  std::vector<Scored> texts;
  for (int64_t i = 0; i < 3; ++i) texts.push_back({tokens_from(1, 30), tokens_from(i, 3 + 5 * i)});
  for (const char* how : kMoving) {
    const auto model = moving_model(how);
    const auto found = scores(*model, texts, 10 * kPageRows, {16, 9});
    for (size_t i = 0; i < texts.size(); ++i) {
      SCOPED_TRACE(str(how, " ", i));
      expect_one_forward(*model, texts[i], found[i]);
    }
  }
}

// Each chunk is read under frequencies of its own end: where the cuts lie is no matter of what is beside a text.
TEST(Scheduler, WhereCutsShowNobodyMovesThem) {
  const auto model = moving_model("chunk");
  std::vector<Scored> texts;
  for (int64_t i = 0; i < 3; ++i) texts.push_back({tokens_from(i / 2, 70 - 11 * i), tokens_from(i, 3)});
  const auto together = scores(*model, texts, 10 * kPageRows, {16, 20});
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto alone = scores(*model, {texts[i]}, 10 * kPageRows, {16, 20});
    for (size_t k = 0; k < alone[0].size(); ++k) EXPECT_NEAR(together[i][k], alone[0][k], 1e-11) << i << " " << k;
  }
}

// What generate_tokens() gives each alone.
std::vector<int64_t> alone(const Model& model, const std::vector<int64_t>& context, int64_t max_tokens, uint64_t seed,
                           double temperature, int64_t stop) {
  GenerateOptions options;
  options.max_tokens = max_tokens, options.seed = seed, options.sampler.temperature = temperature;
  Engine engine(model, {.tokens = 4 * kPageRows});
  CachedLogits source(engine, static_cast<int64_t>(context.size()) + max_tokens - 1);
  return generate_tokens(source, context, options, [&](int64_t, int64_t token) { return token != stop; }).samples[0];
}

TEST(Scheduler, TextsEnterAndLeaveAndGetWhatTheyGetAlone) {
  for (const std::string position : {"cable", "rope", "step", "request", "anew"}) {
    const bool moves = position != "cable" && position != "rope";
    const auto model = moves ? moving_model(position) : model_with(position, at::kDouble);
    Engine engine(*model, {.tokens = 12 * kPageRows});
    Scheduler scheduler(engine, {3, 20});
    std::vector<std::vector<int64_t>> found(9);
    auto context_of = [](int64_t i) { return tokens_from(i % 4, 3 + 31 * (i % 4)); };
    auto add = [&](int64_t i) {
      ContinueTokens more{context_of(i), 3 + 2 * i, {.temperature = i % 2 ? 0.9 : 0.0}, static_cast<uint64_t>(i)};
      more.on_token = [&found, i](int64_t token) {
        found[static_cast<size_t>(i)].push_back(token);
        return token != 7;
      };
      scheduler.add(std::move(more));
    };
    for (int64_t i = 0; i < 5; ++i) add(i);
    std::vector<double> scored;
    scheduler.add(ScoreTokens{context_of(3), tokens_from(2, 4), [&](const TokenScores& scores) {
                                for (int64_t k = 0; k < 4; ++k) scored.push_back(scores.log_prob[k].item<double>());
                              }});
    for (int step = 0; step < 4; ++step) ASSERT_TRUE(scheduler.step());
    for (int64_t i = 5; i < 9; ++i) add(i);  // into the running batch
    scheduler.run();
    EXPECT_FALSE(scheduler.step());
    for (int64_t i = 0; i < 9; ++i)
      EXPECT_EQ(found[static_cast<size_t>(i)],
                alone(*model, context_of(i), 3 + 2 * i, static_cast<uint64_t>(i), i % 2 ? 0.9 : 0.0, 7))
          << position << " " << i;
    EXPECT_EQ(scored.size(), 4u);
    EXPECT_EQ(engine.bytes_in_use(), 0);
  }
}

// No pass holds more texts, or more tokens of prompts, than the options say; and it holds as many.
TEST(Scheduler, APassHoldsWhatItMay) {
  const auto model = model_with("nope", at::kFloat);
  auto most_read = [&](const SchedulerOptions& options, auto&& add) {
    Engine engine(*model, {.tokens = 40 * kPageRows});
    Scheduler scheduler(engine, options);
    for (int64_t i = 0; i < 7; ++i) add(scheduler, i);
    int64_t before = 0, most = 0;
    for (; scheduler.step(); before = scheduler.tokens_read()) most = std::max(most, scheduler.tokens_read() - before);
    return most;
  };
  auto score = [](Scheduler& scheduler, int64_t i) {
    scheduler.add(ScoreTokens{tokens_from(i, 30), tokens_from(i, 4), [](const TokenScores&) {}});
  };
  EXPECT_EQ(most_read({3, 10}, score), 10);
  EXPECT_EQ(most_read({3, 1000}, score), 3 * 33);
  auto go_on = [](Scheduler& scheduler, int64_t i) {
    scheduler.add(ContinueTokens{{i}, 6, {}, 0, 0, 0, [](int64_t) { return true; }});
  };
  EXPECT_EQ(most_read({3, 1000}, go_on), 3);
}

// The same bits in float whatever is beside it.
TEST(Scheduler, NeighboursLeaveNoTrace) {
  const auto model = model_with("cable", at::kFloat);
  const std::vector<Scored> texts = scored_texts();
  const auto together = scores(*model, texts, 30 * kPageRows, {16, 512});
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto alone = scores(*model, {texts[i]}, 30 * kPageRows, {16, 512});
    for (size_t k = 0; k < alone[0].size(); ++k) EXPECT_NEAR(together[i][k], alone[0][k], 2e-6) << i << " " << k;
  }
}

TEST(Scheduler, LittleRoomIsEnough) {
  const auto model = model_with("alibi", at::kFloat);
  // Two contexts of two pages, whose texts need a third, in room for three: one at a time, and no deadlock.
  std::vector<Scored> texts;
  for (int64_t i = 0; i < 6; ++i) texts.push_back({tokens_from(i % 2, 120), tokens_from(i, 10 + 5 * i)});
  const auto cramped = scores(*model, texts, 3 * kPageRows, {16, 512});
  const auto roomy = scores(*model, texts, 40 * kPageRows, {16, 512});
  for (size_t i = 0; i < texts.size(); ++i)
    for (size_t k = 0; k < roomy[i].size(); ++k) EXPECT_NEAR(cramped[i][k], roomy[i][k], 2e-6) << i;
  Engine engine(*model, {.tokens = 2 * kPageRows});
  Scheduler scheduler(engine, {});
  EXPECT_EQ(error_of([&] {
              scheduler.add(ScoreTokens{tokens_from(0, 100), tokens_from(0, 100), {}});
            }),
            "engine: a text of 199 tokens, there is room for 128");
}

TEST(Scheduler, MistakesAreErrors) {
  const auto model = model_with("learned", at::kFloat);
  Engine engine(*model, {.tokens = kPageRows});
  Scheduler scheduler(engine, {});
  auto score = [&](std::vector<int64_t> context, std::vector<int64_t> continuation) {
    return error_of([&] { scheduler.add(ScoreTokens{std::move(context), std::move(continuation), {}}); });
  };
  EXPECT_TRUE(contains(score({}, {1}), "wanted a context and a continuation of at least one token, got 0 and 1"));
  EXPECT_TRUE(contains(score({1}, {}), "got 1 and 0"));
  EXPECT_TRUE(contains(score({1, kVocab}, {1}), "token ids must be in [0, 31), got 31"));
  EXPECT_TRUE(contains(score(tokens_from(0, kTrained), {1, 2}), "ends at 16 tokens, asked for 17"));
  EXPECT_THROW(scheduler.add(ContinueTokens{{1}, 0}), Error);
  EXPECT_FALSE(scheduler.step());
  EXPECT_THROW(Scheduler(engine, {0, 1}), Error);
}

}  // namespace
}  // namespace longhaul
