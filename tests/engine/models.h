// Small models of every encoding, for the tests of sessions and generation.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "models/models.h"
#include "nn/forward.h"

namespace longhaul {

inline constexpr int64_t kTrained = 16, kVocab = 31;

inline std::unique_ptr<Model> model_with(const std::string& position, at::ScalarType dtype, int64_t vocab = kVocab) {
  ModelOptions options;
  options.position = position;
  options.vocab = vocab;
  options.trained_length = kTrained;
  options.dtype = dtype;
  options.seed = 3;
  return create_model("gpt:layers=2,width=24,heads=3", options);
}

inline std::vector<int64_t> some_tokens(int64_t count, int64_t vocab = kVocab) {
  std::vector<int64_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back((7 * i + 3 * i * i) % vocab);
  return tokens;
}

// The logits [V] behind the last of these tokens, from nothing.
Tensor recomputed(const Model& model, const std::vector<int64_t>& tokens);

}  // namespace longhaul
