// CoPE (Golovneva et al. 2024, arXiv 2405.18719): positions counted in gates. gate_ij = sigmoid(logit_ij), p_ij = gate_ij + ... +
// gate_ii clamped to M - 1, and values_i[p_ij], interpolated between whole p, is added to the logit.
#pragma once
#include "ops/tensor.h"

namespace longhaul {

// logits [H, R, K]: row r may see keys 0 .. first + r, what stands behind them stays as it is. values [H, R, M]: q . e of each whole
// position, M >= 2. Returns logits with the positions' values added, [H, R, K]. Both differentiable.
// In f32 on the CPU by an own kernel, elsewhere by ATen ops. K >= first + R.
Tensor add_counted_positions(const Tensor& logits, const Tensor& values, int64_t first);

}  // namespace longhaul
