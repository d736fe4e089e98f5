// lm-eval's requests: how texts become tokens and windows, and what is answered.
#include "engine/requests.h"

#include <gtest/gtest.h>

#include <ATen/ops/argmax.h>
#include <ATen/ops/log_softmax.h>

#include "../support.h"
#include "../text/made_up.h"
#include "models.h"
#include "text/utf8.h"

namespace longhaul {
namespace {

constexpr int64_t kBytes = 257;

std::vector<int64_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

// ln p of each byte behind the tokens before it, from a forward for each.
double log_prob(const Model& model, std::vector<int64_t> context, const std::string& continuation) {
  double sum = 0;
  for (int64_t token : bytes_of(continuation)) {
    sum += at::log_softmax(recomputed(model, context).to(at::kDouble), 0)[token].item<double>();
    context.push_back(token);
  }
  return sum;
}

class RequestsTest : public testing::Test {
 protected:
  std::vector<TextAnswer> answers(const std::vector<TextRequest>& requests) {
    Engine engine(*model_, {.tokens = 20 * kPageRows});
    Requests queue(engine, *tokenizer_, {4, 64}, ends_);
    std::vector<TextAnswer> found(requests.size());
    std::vector<int> times(requests.size());
    for (size_t i = 0; i < requests.size(); ++i) {
      queue.add(requests[i], [&found, &times, i](const TextAnswer& answer) {
        found[i] = answer;
        ++times[i];
      });
    }
    while (queue.step()) {
    }
    EXPECT_EQ(times, std::vector<int>(requests.size(), 1));
    return found;
  }
  std::unique_ptr<Model> model_ = model_with("cable", at::kDouble, kBytes);
  std::unique_ptr<Tokenizer> tokenizer_ = make_tokenizer("bytes");
  std::vector<int64_t> ends_;
};

TEST_F(RequestsTest, Loglikelihoods) {
  const auto found = answers({LoglikelihoodRequest{"The sky is", " blue"}, LoglikelihoodRequest{"The sky is", " red"},
                              LoglikelihoodRequest{"", "x"}, LoglikelihoodRequest{"The sky is ", "blue"}});
  EXPECT_NEAR(found[0].log_prob, log_prob(*model_, bytes_of("The sky is"), " blue"), 1e-11);
  EXPECT_NEAR(found[1].log_prob, log_prob(*model_, bytes_of("The sky is"), " red"), 1e-11);
  EXPECT_NEAR(found[2].log_prob, log_prob(*model_, {256}, "x"), 1e-11);  // behind the token that ends a text
  EXPECT_NEAR(found[3].log_prob, found[0].log_prob, 1e-11);  // spaces at the end of a context belong to what follows
  EXPECT_EQ(found[1].tokens, 4);
}

TEST_F(RequestsTest, GreedyIsWhatGreedyDecodingSays) {
  const std::vector<TextAnswer> said = answers({GenerateRequest{"abc", {}, 4}});
  EXPECT_EQ(said[0].finish, "length");
  EXPECT_EQ(said[0].tokens, 4);
  std::string whole = said[0].text, wrong = whole;
  ASSERT_TRUE(is_utf8(whole) && !contains(whole, "\xEF\xBF\xBD")) << "the model's seed must give whole characters";
  wrong.back() = wrong.back() == 'a' ? 'b' : 'a';
  const auto found = answers({LoglikelihoodRequest{"abc", whole}, LoglikelihoodRequest{"abc", wrong}});
  EXPECT_TRUE(found[0].greedy);
  EXPECT_FALSE(found[1].greedy);
}

// Behind a letter that greedy decoding does not say, what it says then: one token of three is not its own.
TEST_F(RequestsTest, OneTokenIsEnoughNotToBeGreedy) {
  const std::string first = answers({GenerateRequest{"abc", {}, 1}})[0].text;
  std::string text;
  for (char c = 'a'; c <= 'z' && text.empty(); ++c) {
    const std::string more = answers({GenerateRequest{str("abc", c), {}, 2}})[0].text;
    if (first != std::string(1, c) && more.size() == 2 && is_utf8(more)) text = c + more;
  }
  ASSERT_FALSE(text.empty()) << "the model's seed must give two whole characters behind some letter";
  const auto found =
      answers({LoglikelihoodRequest{"abc", text}, LoglikelihoodRequest{str("abc", text[0]), text.substr(1)}});
  EXPECT_FALSE(found[0].greedy);
  EXPECT_TRUE(found[1].greedy);
}

// Bytes, with one that no text has before every text.
class MarkedBytes : public Tokenizer {
 public:
  int64_t vocab_size() const override { return bytes_->vocab_size(); }
  int64_t end_of_text() const override { return bytes_->end_of_text(); }
  void encode(std::string_view text, std::vector<int64_t>& ids) const override { bytes_->encode(text, ids); }
  std::vector<int64_t> before_text() const override { return {0xFF}; }
  std::unique_ptr<Decoding> start_decoding(bool special) const override { return bytes_->start_decoding(special); }
  std::string hash() const override { return "marked"; }
  std::string spec() const override { return "marked"; }

 private:
  std::unique_ptr<Tokenizer> bytes_ = make_tokenizer("bytes");
};

TEST_F(RequestsTest, WhatATokenizerWantsBeforeATextIsBeforeEveryText) {
  tokenizer_ = std::make_unique<MarkedBytes>();
  GenerateRequest request{"ab", {}, 1};
  for (int64_t id = 128; id < kBytes; ++id) request.sampler.bias[id] = -1000;  // whole characters
  const auto found =
      answers({LoglikelihoodRequest{"ab", "cd"}, LoglikelihoodRequest{"", "cd"}, RollingRequest{"abcd", 2}, request});
  EXPECT_NEAR(found[0].log_prob, log_prob(*model_, {0xFF, 'a', 'b'}, "cd"), 1e-11);
  EXPECT_NEAR(found[1].log_prob, log_prob(*model_, {0xFF}, "cd"), 1e-11);
  EXPECT_NEAR(found[2].log_prob, log_prob(*model_, {0xFF}, "ab") + log_prob(*model_, {'b'}, "cd"), 1e-11);
  const auto likeliest = recomputed(*model_, {0xFF, 'a', 'b'}).narrow(0, 0, 128).argmax().item<int64_t>();
  EXPECT_EQ(found[3].text, std::string(1, static_cast<char>(likeliest)));
}

TEST_F(RequestsTest, GenerationEndsAtStopsAndLengths) {
  // Biased to say nothing but x.
  GenerateRequest request{"abc", {"xxx"}, 9};
  request.sampler.bias = {{'x', 1000.0}};
  const auto found = answers({request, GenerateRequest{"", {}, 3, request.sampler}});
  EXPECT_EQ(found[0].text, "");
  EXPECT_EQ(found[0].finish, "stop");
  EXPECT_EQ(found[0].tokens, 3);
  EXPECT_EQ(found[1].text, "xxx");
  EXPECT_EQ(found[1].finish, "length");
  ends_ = {'x'};
  const TextAnswer ended = answers({request})[0];
  EXPECT_EQ(ended.finish, "end_of_text");
  EXPECT_EQ(ended.tokens, 1);
}

TEST_F(RequestsTest, AnotherSeedSaysSomethingElse) {
  GenerateRequest request{"abc", {}, 12, {.temperature = 1}, 1};
  for (int64_t id = 128; id < kBytes; ++id) request.sampler.bias[id] = -1000;  // whole characters
  GenerateRequest other = request;
  other.seed = 2;
  const auto found = answers({request, other, request});
  EXPECT_NE(found[0].text, found[1].text);
  EXPECT_EQ(found[0].text, found[2].text);
}

TEST_F(RequestsTest, RollingIsTheSumOfItsWindows) {
  const std::string text = "Call me Ishmael. Some years ago - never mind how long precisely";  // 63 bytes
  ASSERT_EQ(text.size(), 63u);
  const auto found = answers({RollingRequest{text, 0}, RollingRequest{text, 25}, RollingRequest{text, 63}});
  EXPECT_NEAR(found[0].log_prob, log_prob(*model_, {256}, text), 1e-10);
  EXPECT_EQ(found[0].tokens, 63);
  EXPECT_NEAR(found[2].log_prob, found[0].log_prob, 1e-10);
  const double wanted = log_prob(*model_, {256}, text.substr(0, 25)) +
                        log_prob(*model_, bytes_of(text.substr(24, 1)), text.substr(25, 25)) +
                        log_prob(*model_, bytes_of(text.substr(37, 13)), text.substr(50));
  EXPECT_NEAR(found[1].log_prob, wanted, 1e-10);
  const auto empty = answers({RollingRequest{"", 25}, RollingRequest{"", 0}, RollingRequest{text, 25}});
  for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(empty[i].log_prob == 0 && empty[i].tokens == 0);  // as the harness
  EXPECT_NEAR(empty[2].log_prob, wanted, 1e-10);
}

// Beside a request that shares the context of the last window, that window is ready first: the sum is in the order of the text.
TEST_F(RequestsTest, ARollingTextIsTheSameBitsBesideOthers) {
  model_ = packed_model("rope", WeightType::f32, kBytes);
  const std::string text = "Call me Ishmael. Some years ago - never mind how long precisely";
  for (int64_t window : {20, 22, 25, 29}) {
    const double alone = answers({RollingRequest{text, window}})[0].log_prob;
    const RollingWindow last = rolling_windows(63, window).back();
    const std::string context =
        text.substr(static_cast<size_t>(last.first), static_cast<size_t>(last.begin - last.first));
    const auto found = answers({LoglikelihoodRequest{context, "x"}, RollingRequest{text, window},
                                RollingRequest{text, 7}, RollingRequest{text, window}});
    EXPECT_EQ(found[1].log_prob, alone) << window;
    EXPECT_EQ(found[3].log_prob, alone) << window;
  }
}

// get_rolling_token_windows(range(10), -100, max_seq_len, 1) of the harness, by hand, and its own example.
TEST(RollingWindows, AreThoseOfTheHarness) {
  auto windows = [](int64_t tokens, int64_t window) {
    std::vector<std::vector<int64_t>> found;
    for (const RollingWindow& w : rolling_windows(tokens, window)) found.push_back({w.first, w.begin, w.end});
    return found;
  };
  using Rows = std::vector<std::vector<int64_t>>;
  EXPECT_EQ(windows(10, 4),
            (Rows{{-1, 0, 4}, {3, 4, 8}, {5, 8, 10}}));  // [5..8] predicts [6..9], of which 8, 9 are new
  EXPECT_EQ(windows(8, 4), (Rows{{-1, 0, 4}, {3, 4, 8}}));
  EXPECT_EQ(windows(3, 4), (Rows{{-1, 0, 3}}));
  EXPECT_EQ(windows(3, 1), (Rows{{-1, 0, 1}, {0, 1, 2}, {1, 2, 3}}));
  EXPECT_EQ(windows(3, 0), (Rows{{-1, 0, 3}}));
  EXPECT_EQ(windows(0, 4), Rows{});
}

// Such tokens never come, and nothing else changes.
TEST_F(RequestsTest, TokensAddedBehindTheVocabularyMayBeMoreThanTheModels) {
  const SortedJson json =
      made_up_json({}, {{{"content", "<s>"}, {"special", true}}, {{"content", "<image>"}, {"special", true}}});
  tokenizer_ = std::make_unique<PipelineTokenizer>(parse_tokenizer_json(json.dump(), "t"), "t");
  EXPECT_EQ(tokenizer_->vocab_size(), kBytes + 1);
  EXPECT_EQ(answers({GenerateRequest{"abc", {}, 4}})[0].finish, "length");
}

TEST_F(RequestsTest, MistakesAreErrors) {
  auto refused = [&](const TextRequest& request) { return error_of([&] { answers({request}); }); };
  EXPECT_EQ(refused(LoglikelihoodRequest{"a", ""}), "loglikelihood: the continuation adds no token to its context");
  EXPECT_EQ(refused(RollingRequest{"x", -1}), "rolling: wanted a window of at least one token, got -1");
  GenerateRequest request{"a"};
  request.sampler.bias = {{257, 1.0}};
  EXPECT_EQ(refused(request), "logit_bias: wanted an id in [0, 257), got 257");
  EXPECT_TRUE(contains(refused(GenerateRequest{"a", {""}}), "stops: wanted texts"));
  EXPECT_TRUE(contains(refused(GenerateRequest{"a", {}, 0}), "max_tokens: wanted 1 to"));
  model_ = model_with("cable", at::kDouble, 100);
  EXPECT_EQ(refused(RollingRequest{"x", 0}), "requests: the tokenizer has 257 ids, the model knows 100");
}

}  // namespace
}  // namespace longhaul
