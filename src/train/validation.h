// Losses on a fixed number of tokens from the start of a split (not batches: the figure must not depend on the batch size;
// specs/cable.md pitfall 9).
#pragma once
#include <cstdint>
#include <vector>

#include "data/shards.h"
#include "nn/forward.h"
#include "nn/model.h"

namespace longhaul {

// Mean loss in nats over the tokens [1, tokens] of the split, read as consecutive windows of `length` whose context begins
// with the window. `tokens` is a multiple of `length`; the split has more than `tokens`. `windows` go through the model at once.
double mean_loss(const Model& model, const TokenSplit& split, int64_t length, int64_t tokens, int64_t windows);

// What a forward pass over the first window of `length` tokens reports of each layer's attention and encoding.
std::vector<LayerReport> layer_reports(const Model& model, const TokenSplit& split, int64_t length);

}  // namespace longhaul
