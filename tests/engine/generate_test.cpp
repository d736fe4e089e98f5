// Continuations: the same by every way, whatever they are asked for together with, and text that ends where it should.
#include "engine/generate.h"

#include <gtest/gtest.h>

#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>

#include <numeric>

#include "../support.h"
#include "../text/made_up.h"
#include "models.h"

namespace longhaul {
namespace {

constexpr int64_t kBytes = 257;

GenerateOptions options_of(int64_t samples, int64_t max_tokens) {
  GenerateOptions options;
  options.samples = samples, options.max_tokens = max_tokens, options.seed = 5;
  options.sampler.top_k = 8;
  return options;
}

bool go_on(int64_t, int64_t) { return true; }

// Says exactly these tokens, one text after the other.
class Script : public LogitSource {
 public:
  explicit Script(std::vector<std::vector<int64_t>> texts) : texts_(std::move(texts)), at_(texts_.size(), 1) {}
  Tensor begin(std::span<const int64_t>, int64_t) override { return row(texts_[0][0]); }
  Tensor next(const std::vector<int64_t>& texts, const std::vector<int64_t>&) override {
    std::vector<Tensor> rows;
    for (int64_t text : texts) {
      const auto n = static_cast<size_t>(text);
      rows.push_back(row(texts_[n][at_[n]++]));
    }
    return at::stack(rows);
  }
  void end(int64_t text) override { ended.push_back(text); }
  std::vector<int64_t> ended;

 private:
  static Tensor row(int64_t token) {
    Tensor logits = at::full({kBytes + 7}, -100.0, at::kFloat);  // a padded vocabulary whose padding is likelier still
    logits.narrow(0, kBytes, 7).fill_(200);
    logits[token] = 100;
    return logits;
  }
  std::vector<std::vector<int64_t>> texts_;
  std::vector<size_t> at_;
};

std::vector<int64_t> bytes_of(const std::string& text) {
  std::vector<int64_t> ids;
  for (char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

struct Told {
  GeneratedText::Sample sample, told;  // as returned, and as on_text had it last
  std::vector<std::string> pieces;
  size_t tokens;
};
Told told(const std::vector<int64_t>& script, int64_t max_tokens, const std::vector<std::string>& stops = {},
          const std::function<void(GenerateOptions&)>& change = {}) {
  Script source({script});
  const auto tokenizer = make_tokenizer("bytes");
  GenerateOptions options = options_of(1, max_tokens);
  options.sampler.temperature = 0, options.stops = stops;
  if (change) change(options);
  Told result;
  const GeneratedText text = generate_text(source, *tokenizer, std::vector<int64_t>{65}, options,
                                           [&](int64_t, std::string_view piece, const GeneratedText::Sample& sample) {
                                             if (!piece.empty()) result.pieces.emplace_back(piece);
                                             result.told = sample;
                                           });
  result.sample = text.samples[0];
  result.tokens = text.tokens.samples[0].size();
  EXPECT_EQ(std::accumulate(result.pieces.begin(), result.pieces.end(), std::string()), result.sample.text);
  EXPECT_EQ(result.told.text + result.told.finish, result.sample.text + result.sample.finish);
  EXPECT_EQ(result.sample.tokens, static_cast<int64_t>(result.tokens));
  EXPECT_EQ(source.ended, std::vector<int64_t>{0});
  return result;
}

TEST(GenerateText, EndsAtTheLengthAStopOrTheEndOfText) {
  Told t = told(bytes_of("abcdef"), 4);
  EXPECT_EQ(t.sample.text, "abcd");
  EXPECT_EQ(t.sample.finish, "length");
  EXPECT_EQ(t.pieces.size(), 4u);  // streamed
  t = told(bytes_of("one\n\ntwo"), 8, {"\n\n"});
  EXPECT_EQ(t.sample.text, "one");
  EXPECT_EQ(t.sample.finish, "stop");
  EXPECT_EQ(t.tokens, 5u);
  t = told({104, 105, 256, 33}, 4);
  EXPECT_EQ(t.sample.text, "hi");
  EXPECT_EQ(t.sample.finish, "end_of_text");
  EXPECT_EQ(t.tokens, 3u);
  t = told(bytes_of("half a stop: EN"), 15, {"END"});  // what was held back is text after all
  EXPECT_EQ(t.sample.text, "half a stop: EN");
  EXPECT_EQ(t.sample.finish, "length");
}

TEST(TextSampler, ASpecialTokenIsAStopThatIsSpelledSo) {
  const PipelineTokenizer tokenizer =
      made_up_tokenizer(made_up_json({}, {{{"content", "<|im_end|>"}, {"special", true}, {"normalized", false}}}));
  TextSampler sampler(tokenizer, 9, {"<|im_end|>", "END"}, {});
  EXPECT_EQ(sampler.push('h'), "h");
  EXPECT_EQ(sampler.push('E'), "");
  EXPECT_EQ(sampler.push(256), "E");
  EXPECT_EQ(sampler.sample().finish, "stop");
  TextSampler other(tokenizer, 9, {"END"}, {});
  EXPECT_EQ(other.push(256), "");
  EXPECT_FALSE(other.ended());
}

// What the decoder holds when a text ends comes behind what the stops hold, and may be the end of a stop.
TEST(TextSampler, WhatIsHeldBackAtTheEndComesInItsOrder) {
  const auto bytes = make_tokenizer("bytes");
  TextSampler cut(*bytes, 2, {"END"}, {});
  EXPECT_EQ(cut.push('E'), "");
  EXPECT_EQ(cut.push(0xC3), "E\xEF\xBF\xBD");
  EXPECT_EQ(cut.sample().finish, "length");
  SortedJson json = made_up_json({});
  json["decoder"] = {{"type", "Sequence"}, {"decoders", {{{"type", "ByteFallback"}}, {{"type", "Fuse"}}}}};
  json["model"]["vocab"]["<0x0A>"] = 256;
  const PipelineTokenizer fallback = made_up_tokenizer(json);
  const auto told = [&](const std::string& stop, const std::vector<int64_t>& ids) {
    TextSampler sampler(fallback, static_cast<int64_t>(ids.size()), {stop}, {});
    std::string text;
    for (int64_t id : ids) text += sampler.push(id);
    return text + "|" + sampler.sample().finish;
  };
  EXPECT_EQ(told("\n\n", {'x', 256}), "x\n|length");
  EXPECT_EQ(told("\n\n", {'x', 256, 256}), "x|stop");
  EXPECT_EQ(told("#\n", {'#', 256}), "|stop");
  // A prompt's own end is no part of what continues it.
  TextSampler behind(fallback, 2, {"\n"}, {});
  behind.go_on_from(std::vector<int64_t>{'Q', 256});
  EXPECT_EQ(behind.push('x'), "x");
  EXPECT_EQ(behind.push('y'), "y");
  EXPECT_EQ(behind.sample().finish, "length");
}

TEST(GenerateText, EndsAtAnEndToken) {
  const Told t = told(bytes_of("hi. x"), 5, {}, [](GenerateOptions& options) { options.ends = {7, '.'}; });
  EXPECT_EQ(t.sample.text, "hi");
  EXPECT_EQ(t.sample.finish, "end_of_text");
  EXPECT_EQ(t.tokens, 3u);
}

TEST(GenerateText, EndsWhenItIsInterrupted) {
  int asked = 0;
  Told t = told(bytes_of("ab\xE2\x82\xAC"), 5, {},
                [&](GenerateOptions& options) { options.interrupted = [&] { return ++asked == 4; }; });
  EXPECT_EQ(t.sample.text, "ab\xEF\xBF\xBD");  // inside a character
  EXPECT_EQ(t.sample.finish, "interrupted");
  EXPECT_EQ(t.tokens, 4u);
}

TEST(GenerateText, CharactersAndStopsAreWholeHoweverTheirBytesCome) {
  Told t = told(bytes_of("a\xC3\xBC\xE2\x82\xAC!"), 7);
  EXPECT_EQ(t.pieces, (std::vector<std::string>{"a", "\xC3\xBC", "\xE2\x82\xAC", "!"}));
  t = told(bytes_of("a\xC3\xBC\xE2\x82\xAC!"), 7, {"\xE2\x82\xAC"});
  EXPECT_EQ(t.sample.text, "a\xC3\xBC");
  EXPECT_EQ(t.sample.finish, "stop");
  t = told(bytes_of("a\xE2\x82"), 3);  // cut by the length
  EXPECT_EQ(t.sample.text, "a\xEF\xBF\xBD");
  t = told(bytes_of("a\xE2\x82z"), 3, {"\xE2\x82\xAC"});
  EXPECT_EQ(t.sample.text, "a\xEF\xBF\xBD");
}

TEST(GenerateTokens, CachedIsRecomputed) {
  for (const char* position : {"cable", "rope", "alibi", "learned"}) {
    const auto model = model_with(position, at::kDouble);
    const std::vector<int64_t> prompt = some_tokens(7);
    for (double temperature : {0.0, 0.9}) {
      GenerateOptions options = options_of(3, 10);
      options.sampler.temperature = temperature;
      Engine engine(*model, {.tokens = CachedLogits::room(*model, 7, 9, 3)});
      CachedLogits cached(engine);
      RecomputedLogits recomputed(*model);
      EXPECT_EQ(generate_tokens(cached, prompt, options, go_on).samples,
                generate_tokens(recomputed, prompt, options, go_on).samples)
          << position;
      EXPECT_EQ(engine.bytes_in_use(), 0);
    }
  }
}

TEST(GenerateTokens, ASampleDependsOnItsNumberAlone) {
  const auto model = model_with("cable", at::kDouble);
  const std::vector<int64_t> prompt = some_tokens(130);
  RecomputedLogits source(*model);
  const auto many = generate_tokens(source, prompt, options_of(4, 6), go_on).samples;
  const auto few = generate_tokens(source, prompt, options_of(2, 6), go_on).samples;
  EXPECT_EQ(few[0], many[0]);
  EXPECT_EQ(few[1], many[1]);
  EXPECT_NE(many[0], many[1]);
  // One that ends early leaves the others as they are.
  const auto some =
      generate_tokens(source, prompt, options_of(4, 6), [](int64_t n, int64_t) { return n != 1; }).samples;
  EXPECT_EQ(some[1].size(), 1u);
  EXPECT_EQ(some[3], many[3]);
}

TEST(GenerateTokens, RoomIsEnoughAndNoMore) {
  const auto model = model_with("alibi", at::kFloat);
  for (int64_t prompt : {1, 63, 64, 65, 130}) {
    for (int64_t count : {1, 3}) {
      const GenerateOptions options = options_of(count, 80);
      const int64_t room = CachedLogits::room(*model, prompt, 79, count);
      Engine engine(*model, {.tokens = room}), small(*model, {.tokens = std::max<int64_t>(1, room - kPageRows)});
      CachedLogits source(engine), cramped(small);
      generate_tokens(source, some_tokens(prompt), options, go_on);
      EXPECT_THROW(generate_tokens(cramped, some_tokens(prompt), options, go_on), Error) << prompt << " x " << count;
    }
  }
}

TEST(GenerateTokens, CountsWhatItTimes) {
  const auto model = model_with("nope", at::kFloat);
  RecomputedLogits source(*model);
  const GeneratedTokens found = generate_tokens(source, some_tokens(3), options_of(2, 5), go_on);
  EXPECT_EQ(found.decoded, 8);
  EXPECT_GT(found.prompt_seconds, 0);
  EXPECT_GT(found.decode_seconds, 0);
}

// A tokenizer may have ids that the model lacks (tokens added behind its vocabulary): they never come.
TEST(GenerateTokens, IdsBeyondTheModelsChangeNothing) {
  const auto model = model_with("nope", at::kFloat);
  RecomputedLogits source(*model);
  GenerateOptions options = options_of(2, 5);
  const auto want = generate_tokens(source, some_tokens(3), options, go_on).samples;
  options.vocab = kVocab + 1;
  EXPECT_EQ(generate_tokens(source, some_tokens(3), options, go_on).samples, want);
}

TEST(GenerateTokens, MistakesAreErrors) {
  const auto model = model_with("nope", at::kFloat);
  RecomputedLogits source(*model);
  GenerateOptions options = options_of(1, 5);
  EXPECT_THROW(generate_tokens(source, {}, options, go_on), Error);
  EXPECT_THROW(generate_tokens(source, some_tokens(3), options_of(0, 5), go_on), Error);
  EXPECT_THROW(generate_tokens(source, some_tokens(3), options_of(1, 0), go_on), Error);
}

}  // namespace
}  // namespace longhaul
