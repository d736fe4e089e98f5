// Biases that are a function of the distance between query and key alone (T5, Kerple).
#pragma once
#include <functional>
#include <vector>

#include "pos/encoding.h"

namespace longhaul {

// distance [n] double, >= 0 -> [H, n] through differentiable ops of `inputs`.
using DistanceFunction = std::function<Tensor(const std::vector<Tensor>& inputs, const Tensor& distance)>;

// The cheapest form the call allows: a table over distances, or rows on demand when positions are not consecutive.
// `limit`: distances beyond it weigh as `limit` does; 0: none do. `inputs`: all that `function` differentiates through.
Bias distance_bias(const AttentionCall& call, std::vector<Tensor> inputs, const DistanceFunction& function,
                   int64_t limit = 0);

// position of query - position of key, 0 where the key is later: [i1 - i0, keys] double, for queries [i0, i1) and the first
// `keys` keys of sequence b.
Tensor distance_block(const Plan& plan, const AttentionSpans& spans, const Tensor& key_positions, int64_t b, int64_t i0,
                      int64_t i1, int64_t keys);

}  // namespace longhaul
