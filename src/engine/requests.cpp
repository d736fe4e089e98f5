#include "engine/requests.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/error.h"
#include "base/strings.h"
#include "engine/generate.h"
#include "engine/text_sample.h"
#include "text/unicode.h"

namespace longhaul {

namespace {

void add_scores(TextAnswer& answer, const TokenScores& scores) {
  const int64_t count = scores.rank.size(0);
  const double* log_prob = scores.log_prob.const_data_ptr<double>();
  const int64_t* rank = scores.rank.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    answer.log_prob += log_prob[i];
    answer.greedy = answer.greedy && rank[i] == 0;
  }
  answer.tokens += count;
  if (!std::isfinite(answer.log_prob))
    answer.error = str("the model's logits are not finite: ln p is ", std::isnan(answer.log_prob) ? "nan" : "-inf");
}

// In the order of the text: which window is ready first depends on what else is asked.
TextAnswer sum_of(const std::vector<TextAnswer>& parts) {
  TextAnswer sum;
  for (const TextAnswer& part : parts) {
    sum.log_prob += part.log_prob;
    sum.greedy = sum.greedy && part.greedy;
    sum.tokens += part.tokens;
    if (sum.error.empty()) sum.error = part.error;
  }
  return sum;
}

}  // namespace

std::pair<std::vector<int64_t>, std::vector<int64_t>> encode_pair(const Tokenizer& tokenizer,
                                                                  const std::string& context,
                                                                  const std::string& continuation) {
  const std::string before = to_utf8(context);
  const std::string kept = before.substr(0, before.size() - length_of_spaces_at_end(before));
  std::vector<int64_t> first, whole;
  tokenizer.encode(kept, first);
  tokenizer.encode(before + continuation, whole);
  const auto cut = static_cast<int64_t>(std::min(first.size(), whole.size()));
  return {std::move(first), {whole.begin() + cut, whole.end()}};
}

// get_rolling_token_windows() and make_disjoint_window() of the harness, with a context of one token.
std::vector<RollingWindow> rolling_windows(int64_t tokens, int64_t window) {
  std::vector<RollingWindow> windows;
  if (window == 0) window = tokens;
  for (int64_t done = 0; done < tokens; done = windows.back().end) {
    const int64_t end = std::min(tokens, done + window);
    windows.push_back({done == 0 ? -1 : end - window - 1, done, end});
  }
  return windows;
}

Requests::Requests(Engine& engine, const Tokenizer& tokenizer, const SchedulerOptions& options,
                   std::vector<int64_t> ends)
    : tokenizer_(tokenizer), ends_(std::move(ends)), scheduler_(engine, options) {
  ids_ = shared_vocabulary(engine.model(), tokenizer, "requests");
}

std::vector<int64_t> Requests::beginning() const {
  std::vector<int64_t> tokens = tokenizer_.before_text();
  if (tokens.empty() && tokenizer_.end_of_text() >= 0) tokens.push_back(tokenizer_.end_of_text());
  check(!tokens.empty(), "requests: the tokenizer has no token for the beginning of a text");
  return tokens;
}

void Requests::add(const TextRequest& request, const OnAnswer& on_answer) {
  std::visit([&](const auto& kind) { queue(kind, on_answer); }, request);
}

void Requests::score(std::vector<int64_t> context, std::vector<int64_t> continuation,
                     const std::function<void(const TokenScores&)>& done) {
  scheduler_.add(ScoreTokens{std::move(context), std::move(continuation), done});
}

void Requests::queue(const LoglikelihoodRequest& request, const OnAnswer& on_answer) {
  auto [context, continuation] = encode_pair(tokenizer_, request.context, request.continuation);
  check(!continuation.empty(), "loglikelihood: the continuation adds no token to its context");
  const std::vector<int64_t> before = context.empty() ? beginning() : tokenizer_.before_text();
  context.insert(context.begin(), before.begin(), before.end());
  score(std::move(context), std::move(continuation), [on_answer](const TokenScores& scores) {
    TextAnswer answer;
    add_scores(answer, scores);
    on_answer(answer);
  });
}

void Requests::queue(const RollingRequest& request, const OnAnswer& on_answer) {
  check(request.window >= 0, "rolling: wanted a window of at least one token, got ", request.window);
  std::vector<int64_t> tokens;
  tokenizer_.encode(request.text, tokens);
  if (tokens.empty()) return on_answer({});  // the empty product, as in the harness
  const std::vector<RollingWindow> windows = rolling_windows(static_cast<int64_t>(tokens.size()), request.window);
  struct Parts {
    std::vector<TextAnswer> answers;
    size_t left;
  };
  auto parts = std::make_shared<Parts>(Parts{std::vector<TextAnswer>(windows.size()), windows.size()});
  auto part = [&](int64_t from, int64_t to) {
    return std::vector<int64_t>(tokens.begin() + from, tokens.begin() + to);
  };
  for (size_t i = 0; i < windows.size(); ++i) {
    const RollingWindow& window = windows[i];
    score(window.first < 0 ? beginning() : part(window.first, window.begin), part(window.begin, window.end),
          [parts, i, on_answer](const TokenScores& scores) {
            add_scores(parts->answers[i], scores);
            if (--parts->left == 0) on_answer(sum_of(parts->answers));
          });
  }
}

void Requests::queue(const GenerateRequest& request, const OnAnswer& on_answer) {
  request.sampler.validate(ids_, SamplerOptions::Names::keys);
  check(request.max_tokens >= 1 && request.max_tokens <= kMostTokens, "max_tokens: wanted 1 to ", kMostTokens, ", got ",
        request.max_tokens);
  check(request.seed >= 0, "seed: wanted a number >= 0, got ", request.seed);
  for (const std::string& stop : request.stops) check(!stop.empty(), "stops: wanted texts, found an empty one");
  std::vector<int64_t> context = tokenizer_.before_text();
  tokenizer_.encode(request.context, context);
  if (context.empty()) context = beginning();
  auto text = std::make_shared<TextSampler>(tokenizer_, request.max_tokens, request.stops, ends_);
  ContinueTokens more{std::move(context), request.max_tokens, request.sampler, static_cast<uint64_t>(request.seed)};
  more.vocab = ids_;
  more.on_token = [text, on_answer](int64_t token) {
    text->push(token);
    if (!text->ended()) return true;
    const TextSample& sample = text->sample();
    on_answer({0, false, sample.tokens, sample.text, sample.finish, {}});
    return false;
  };
  more.on_error = [on_answer](const Error& error) {
    TextAnswer answer;
    answer.error = error.what();
    on_answer(answer);
  };
  scheduler_.add(std::move(more));
}

}  // namespace longhaul
