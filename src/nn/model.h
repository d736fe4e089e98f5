// A language model: const while it runs, shared by all who run it. The families are in models/, one file each.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "nn/cache.h"
#include "nn/stored_tensor.h"
#include "ops/linear/linear.h"
#include "ops/linear_cross_entropy/linear_cross_entropy.h"
#include "ops/parameters.h"
#include "ops/sequences.h"
#include "pos/encoding.h"

namespace longhaul {

struct ModelInfo {
  std::string family;    // "gpt"
  std::string label;     // "gpt:tiny"
  std::string position;  // canonical spec of the encoding
  int64_t layers = 0, width = 0, heads = 0, kv_heads = 0, head_dim = 0, hidden = 0, vocab = 0;
  int64_t trained_length = 0;  // tokens
  int64_t mlp_matrices =
      2;  // [width, hidden] matrices that a token meets in a layer: 2, or 3 with a gate, of each expert
  std::vector<int64_t>
      windows;    // of each layer: how many of the last keys, its own among them, a query sees; 0 or no entry: all
  Traits traits;  // of its encoding
  int64_t channel_bytes = 0;  // bytes per token beside keys and values, all layers
  // Keys, values and channels of one token in all layers, in bytes, for elements of this size (and scales of that, one of each
  // head's keys and one of its values).
  int64_t state_bytes_per_token(int64_t element_size, int64_t scale_size = 0) const;
  // Floating-point operations of one forward over T tokens of one sequence (matrices, the pairs that attention looks at, head on
  // `head_rows`).
  double forward_flops(int64_t tokens, int64_t head_rows) const;
  // Keys that queries look at, over all layers: all queries of a text of so many tokens, or its last one.
  double pairs(int64_t tokens) const;
  double keys_of_last(int64_t tokens) const;
  int64_t keys_seen(int64_t layer, int64_t tokens) const;  // by the last query of a text, in that layer
};

// Activations on their way through the layers. A layer may drop tokens: x, seq and origin change together.
struct Stream {
  Tensor x;  // [T, C]
  Sequences seq;
  Tensor origin;  // [T] int64: which of the call's tokens each one is; undefined: all are there
};

// What a layer needs besides the stream.
struct Pass {
  Plan plan;  // of the tokens that are in the stream
  Step step;
  LayerCache* cache = nullptr;  // of this layer; null: every key is in this call
  AttentionStats* stats = nullptr;
  std::vector<Reading>* readings = nullptr;  // of the layer's encoding, when asked for
  double skip_eps = 1e-7;
};

// The final norm and what turns its output into logits.
struct Head {
  Norm norm;
  LogitHead logits;
};

class Model {
 public:
  virtual ~Model() = default;
  virtual Stream embed(const Tensor& tokens, const Plan& plan) const = 0;  // tokens [T] int64
  virtual void layer(int64_t i, Stream& stream, const Pass& pass) const = 0;
  virtual Head head() const = 0;
  virtual const Encoding& encoding() const = 0;
  virtual Json config() const = 0;  // config.json of a run directory
  const ModelInfo& info() const { return info_; }
  Parameters& parameters() { return parameters_; }
  const Parameters& parameters() const { return parameters_; }
  // Notes that it goes on being trained at this length. What reports mark; nothing that the model computes changes.
  void set_trained_length(int64_t tokens) { info_.trained_length = tokens; }
  // Where checkpoints have the parameters. A parameter that none of these shows is stored under its own name.
  const std::vector<StoredTensor>& stored() const { return stored_; }
  // What inference may hold packed (ops/linear/packed_weight.h): weights [out, in] and stacks [E, out, in] that linear(),
  // embedding_rows() and the head read, and nobody else.
  struct Matrix {
    Tensor weight;
    bool exact = false;  // f32 whatever the others are: a router, whose choices rounding would change
  };
  const std::vector<Matrix>& matrices() const { return matrices_; }
  int64_t weight_bytes() const;  // of all parameters, as they are held

 protected:
  explicit Model(Parameters parameters) : parameters_(std::move(parameters)) {}
  ModelInfo info_;
  Parameters parameters_;
  std::vector<StoredTensor> stored_;
  std::vector<Matrix> matrices_;
};

}  // namespace longhaul
