#include "engine/generate.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "base/error.h"
#include "base/strings.h"
#include "engine/text_sample.h"

namespace longhaul {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

int64_t shared_vocabulary(const Model& model, const Tokenizer& tokenizer, const char* who) {
  const int64_t known = model.info().vocab, own = tokenizer.vocab_size_without_added();
  check(own <= known, who, ": the tokenizer has ", with_commas(own), " ids, the model knows ", with_commas(known));
  return std::min(tokenizer.vocab_size(), known);
}

GeneratedTokens generate_tokens(LogitSource& source, std::span<const int64_t> prompt, const GenerateOptions& options,
                                const OnToken& on_token) {
  check(options.samples >= 1 && options.max_tokens >= 1, "generate: wanted at least one sample of one token, got ",
        options.samples, " of ", options.max_tokens);
  check(!prompt.empty(), "generate: wanted a prompt of at least one token, got none");
  std::vector<Sampler> samplers;
  for (int64_t n = 0; n < options.samples; ++n) {
    samplers.emplace_back(options.sampler, options.seed, static_cast<uint64_t>(n));
    for (int64_t token : prompt) samplers.back().see(token);
  }
  GeneratedTokens result;
  result.samples.resize(samplers.size());
  std::vector<int64_t> live(samplers.size()), going_on, tokens;
  std::iota(live.begin(), live.end(), 0);
  Clock::time_point start = Clock::now();
  const Tensor shared = source.begin(prompt, options.samples);
  Tensor logits = shared.unsqueeze(0).expand({options.samples, shared.size(0)});
  const int64_t vocab = options.vocab > 0 ? std::min(options.vocab, shared.size(0)) : shared.size(0);
  result.prompt_seconds = seconds_since(start);
  start = Clock::now();
  while (!live.empty()) {
    going_on.clear(), tokens.clear();
    for (size_t row = 0; row < live.size(); ++row) {
      const auto n = static_cast<size_t>(live[row]);
      const int64_t token = samplers[n].next(logits[static_cast<int64_t>(row)].narrow(0, 0, vocab));
      result.samples[n].push_back(token);
      const bool more = on_token(live[row], token);
      if (more && static_cast<int64_t>(result.samples[n].size()) < options.max_tokens) {
        going_on.push_back(live[row]);
        tokens.push_back(token);
      } else {
        source.end(live[row]);
      }
    }
    live = going_on;
    if (live.empty()) break;
    logits = source.next(live, tokens);
    result.decoded += static_cast<int64_t>(live.size());
  }
  result.decode_seconds = seconds_since(start);
  return result;
}

GeneratedText generate_text(LogitSource& source, const Tokenizer& tokenizer, std::span<const int64_t> prompt,
                            GenerateOptions options, const OnText& on_text) {
  options.vocab = tokenizer.vocab_size();
  std::vector<TextSampler> samples;
  for (int64_t n = 0; n < options.samples; ++n) {
    samples.emplace_back(tokenizer, options.max_tokens, options.stops, options.ends);
    if (options.continues) samples.back().go_on_from(prompt);
  }
  GeneratedText result;
  result.tokens = generate_tokens(source, prompt, options, [&](int64_t n, int64_t token) {
    TextSampler& sample = samples[static_cast<size_t>(n)];
    const std::string text = sample.push(token, options.interrupted && options.interrupted());
    if (!text.empty() || sample.ended()) on_text(n, text, sample.sample());
    return !sample.ended();
  });
  for (const TextSampler& sample : samples) result.samples.push_back(sample.sample());
  return result;
}

}  // namespace longhaul
