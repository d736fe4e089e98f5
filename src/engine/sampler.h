// From logits to the next token. Biases, then penalties, then as Hugging Face's generate() does, in its order:
// temperature, top-k, top-p, min-p; what is left is renormalised after each.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "base/rng.h"
#include "ops/tensor.h"

namespace longhaul {

struct SamplerOptions {
  double temperature = 1;  // logits are divided by it; 0: the likeliest token, always (the lowest id among equals)
  int64_t top_k = 0;       // keeps the k likeliest tokens, and those as likely as the k-th; 0: all
  double top_p = 1;        // keeps the likeliest tokens whose sum first reaches p, at least one; 1: all
  double min_p = 0;        // drops tokens less likely than this share of the likeliest; 0: none
  double repetition_penalty = 1;  // positive logits of tokens of the text are divided by it, negative ones multiplied;
                                  // 0.001 to 1000
  // OpenAI's two, of tokens that were drawn (the prompt's are not): -2 to 2, taken from their logits.
  double presence_penalty = 0;       // once
  double frequency_penalty = 0;      // for every time
  std::map<int64_t, double> bias{};  // added to the logits of these tokens, before all else

  // Error that names the flag (--top-k), or the key of a request (top_k), for the first that cannot be. `vocab`: ids of the
  // tokenizer, where it is known.
  enum class Names { flags, keys };
  void validate(int64_t vocab = INT64_MAX, Names names = Names::flags) const;
};

struct Choice {
  int64_t token;
  double probability;
};

// One text's sampler. Its draws depend on (seed, index) and on how many were made: sample `index` of a prompt is the
// same in any order and in any batch.
class Sampler {
 public:
  Sampler(const SamplerOptions& options, uint64_t seed, uint64_t index);
  void see(int64_t token);  // is in the prompt: for the repetition penalty. next() notes what it draws
  // The tokens that may come next, by id, with their probabilities. logits [V]. Error when they hold a NaN or no finite
  // number.
  std::vector<Choice> choices(const Tensor& logits) const;
  int64_t next(const Tensor& logits);

 private:
  SamplerOptions options_;
  Rng rng_;
  std::set<int64_t> seen_;            // what the repetition penalty is for
  std::map<int64_t, int64_t> drawn_;  // how often
};

}  // namespace longhaul
