// DAPE's network (Zheng et al. 2024, arXiv 2405.14722): for every pair of query and key an MLP over all heads' logits and biases,
// 2 H -> hidden with LeakyReLU (0.01) -> H.
#pragma once
#include "ops/tensor.h"

namespace longhaul {

struct DapeNetwork {
  Tensor weight0, bias0;  // [hidden, 2 H], [hidden]: the logits' columns first
  Tensor weight2, bias2;  // [H, hidden], [H]
};

// logits + MLP([logits; bias]), and + bias when `adds_bias`. All [H, R, K]; everything differentiable.
// In f32 on the CPU by an own kernel that keeps nothing of the hidden layer, elsewhere by ATen ops.
Tensor dape(const Tensor& logits, const Tensor& bias, const DapeNetwork& network, bool adds_bias);

}  // namespace longhaul
