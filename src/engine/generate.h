// Continuations of a prompt: as ids, and as text that streams.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/logit_source.h"
#include "engine/sampler.h"
#include "engine/text_sample.h"
#include "text/tokenizer.h"

namespace longhaul {

struct GenerateOptions {
  SamplerOptions sampler;
  uint64_t seed = 0;
  int64_t samples = 1;        // continuations of the prompt; number i depends on (seed, i), not on how many there are
  int64_t max_tokens = 256;   // of each
  int64_t vocab = 0;          // ids from here on (a model's padding) never come; 0: all of the model's may
  std::vector<int64_t> ends;  // generate_text(): ids that end a text, beside the tokenizer's own end
  std::vector<std::string> stops;     // generate_text(): end a continuation and are no part of it
  bool continues = false;             // generate_text(): the text is read behind the prompt's, as one with it
  std::function<bool()> interrupted;  // generate_text(): asked after every token; true ends all samples; empty: never
};

// The size n of the vocabulary that tokenizer and model share: both know ids [0, n). Error, in the name of `who`, when the model
// lacks some of the tokenizer's own; tokens that were added behind it may be more than a model has rows, and never come then.
int64_t shared_vocabulary(const Model& model, const Tokenizer& tokenizer, const char* who);

struct GeneratedTokens {
  std::vector<std::vector<int64_t>> samples;  // ids, the prompt's not among them
  double prompt_seconds = 0, decode_seconds = 0;
  int64_t decoded = 0;  // tokens that decode_seconds were spent on: all but the first of each sample
};

// Told every token as it comes; false ends that sample.
using OnToken = std::function<bool(int64_t sample, int64_t token)>;
GeneratedTokens generate_tokens(LogitSource& source, std::span<const int64_t> prompt, const GenerateOptions& options,
                                const OnToken& on_token);

struct GeneratedText {
  using Sample = TextSample;
  std::vector<Sample> samples;
  GeneratedTokens tokens;
};

// Told every piece of text when it is certain, and the end of every sample (with an empty piece when nothing was left
// to say); the pieces of a sample, joined, are its text. `sample` is what there is of it by then.
using OnText = std::function<void(int64_t number, std::string_view text, const GeneratedText::Sample& sample)>;
// Ids are the tokenizer's.
GeneratedText generate_text(LogitSource& source, const Tokenizer& tokenizer, std::span<const int64_t> prompt,
                            GenerateOptions options, const OnText& on_text);

}  // namespace longhaul
