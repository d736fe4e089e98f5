// The one driver of layers: training with recomputation, capture of hidden states, long inputs layer by layer in chunks.
#pragma once
#include <cstdint>
#include <vector>

#include "nn/model.h"

namespace longhaul {

// What attention and encoding did in one layer.
struct LayerReport {
  AttentionStats attention;
  std::vector<Reading> readings;
};

struct ForwardOptions {
  Step step;
  double loss_factor = 1;  // of loss_sum: 1 / tokens makes it a mean at no cost
  bool recompute = false;  // training: keep only each layer's input and run the layer again in backward
  int64_t chunk = 0;       // inference: each layer takes its tokens in chunks of this many; 0: one pass.
                           // Memory is then [T, C] plus ONE layer's keys and values, whatever the depth
  std::vector<LayerCache>* caches = nullptr;  // one a layer: the tokens come behind those that it holds, and are added
  double skip_eps = 1e-7;
  std::vector<Tensor>* hidden = nullptr;        // the input of every layer and the output of the last are appended
  AttentionStats* stats = nullptr;              // summed over layers
  std::vector<LayerReport>* reports = nullptr;  // one a layer, instead of `stats`; calls without chunks
};

// tokens [T] int64 -> [T, C], the input of the head's norm. Chunked calls run without gradients, on whole sequences.
Tensor forward(const Model& model, const Tensor& tokens, const Sequences& seq, const ForwardOptions& options);

// loss_factor times the sum of the cross entropies of `targets` [T] (-100 counts nothing); differentiable.
Tensor loss_sum(const Model& model, const Tensor& tokens, const Tensor& targets, const Sequences& seq,
                const ForwardOptions& options);

// Log-probability and rank of each target; no gradients, no [T, V] tensor.
TokenScores score_tokens(const Model& model, const Tensor& tokens, const Tensor& targets, const Sequences& seq,
                         const ForwardOptions& options);

}  // namespace longhaul
