// Small models of every encoding, for the tests of sessions and generation.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "models/models.h"
#include "nn/forward.h"
#include "ops/linear/packed_weight.h"

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

// As models are run: with packed weights.
inline std::unique_ptr<Model> packed_model(const std::string& position, WeightType type, int64_t vocab = kVocab) {
  auto model = model_with(position, at::kFloat, vocab);
  for (const Model::Matrix& matrix : model->matrices()) pack_weight(matrix.weight, type);
  return model;
}

inline std::vector<int64_t> some_tokens(int64_t count, int64_t vocab = kVocab) {
  std::vector<int64_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back((7 * i + 3 * i * i) % vocab);
  return tokens;
}

// The logits [V] behind the last of these tokens, from nothing.
Tensor recomputed(const Model& model, const std::vector<int64_t>& tokens);

}  // namespace longhaul
