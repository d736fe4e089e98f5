// CLEX's frequencies as a differentiable function of its weights.
#pragma once
#include "ops/clex/clex_ode.h"
#include "ops/tensor.h"

namespace longhaul {

std::vector<double> numbers_of(const Tensor& tensor);  // row-major
ClexWeights clex_weights(const Tensor& up, const Tensor& down);

// The frequencies [d/2] double at t > 1, from those at 1, `first` [d/2]; solved in double. up [d/2, hidden], down [hidden, d/2],
// float or double: they get gradients, by the solver's own steps taken back.
Tensor clex_frequencies(const Tensor& up, const Tensor& down, const Tensor& first, const ClexOde& ode, double t);

}  // namespace longhaul
