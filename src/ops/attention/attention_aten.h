// Attention as a composition of ATen ops by blocks of rows: the path of double and of every device without kernels of ours.
// O(T) memory: backward computes the blocks again. Private to ops/attention.
#pragma once
#include "ops/attention/attention_problem.h"

namespace longhaul {

// Computes in double for double inputs, else in float. lse is the natural logarithm, in that dtype.
AttentionResult attention_aten_forward(const AttentionProblem& problem, const AttentionTensors& x);
AttentionTensors attention_aten_backward(const AttentionProblem& problem, const AttentionTensors& x,
                                         const AttentionResult& result, const Tensor& grad_out,
                                         const AttentionNeeds& needs);

// Gradients of `inputs` (those with `needed`) through problem.rows() of queries [i0, i1) of sequence b and the first
// grad_rows.size(2) keys, added to `grads`. grad_rows [H, i1 - i0, keys].
void add_row_block_gradient(const AttentionProblem& problem, const std::vector<Tensor>& inputs,
                            const std::vector<bool>& needed, int64_t b, int64_t i0, int64_t i1, const Tensor& grad_rows,
                            std::vector<Tensor>& grads);
}  // namespace longhaul
