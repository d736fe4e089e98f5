// Blocks of the (query, key) plane as ATen tensors: what the ATen composition and the rewritten form share.
// Private to ops/attention.
#pragma once
#include <functional>

#include "ops/attention/attention_problem.h"

namespace longhaul {

// Queries [r0, r1) of sequence b and the keys [j0, j1) that any of them may see; i0 is the index of the first query.
struct Block {
  int64_t b, r0, r1, i0, j0, j1;
  int64_t rows() const { return r1 - r0; }
  int64_t columns() const { return j1 - j0; }
};

// Visits all queries that see a key, in blocks of about `elements` (query, key) pairs and at least one row.
void for_each_block(const AttentionProblem& problem, int64_t elements, const std::function<void(const Block&)>& visit);

// [rows, columns] bool: keys that a row may not see; undefined when it may see all.
Tensor hidden_keys(const AttentionProblem& problem, const Block& block, at::Device device);

// The bias [H, rows, columns] through differentiable ops of `tensors` (AttentionTensors::bias); undefined when there is none.
Tensor bias_block(const AttentionProblem& problem, const std::vector<Tensor>& tensors, int64_t heads,
                  const Block& block, at::ScalarType dtype);

// The checked result of problem.rows(): [H, i1 - i0, keys].
Tensor row_block(const AttentionProblem& problem, const std::vector<Tensor>& inputs, int64_t heads, int64_t b,
                 int64_t i0, int64_t i1, int64_t keys);

}  // namespace longhaul
