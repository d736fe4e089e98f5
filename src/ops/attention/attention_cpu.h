// Fused attention on the CPU, f32 and bf16 storage, f32 sums. Private to ops/attention.
#pragma once
#include "ops/attention/attention_problem.h"

namespace longhaul {

// lse [H, T] double, of the binary logits (attention_kernels.h).
AttentionResult attention_cpu_forward(const AttentionProblem& problem, const AttentionTensors& x);
AttentionTensors attention_cpu_backward(const AttentionProblem& problem, const AttentionTensors& x,
                                        const AttentionResult& result, const Tensor& grad_out,
                                        const AttentionNeeds& needs);

}  // namespace longhaul
