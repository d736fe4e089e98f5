// AdamW with decoupled weight decay (Loshchilov and Hutter 2019) and the global clip, over many tensors at once.
#pragma once
#include <vector>

#include "ops/tensor.h"

namespace longhaul {

struct AdamWOptions {
  double lr = 6e-4, beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.1;
};

// L2 norm over all gradients together, in double from per-tensor norms. Undefined gradients count nothing.
double global_norm(const std::vector<Tensor>& gradients);

// One step on tensors that share their options: parameters, gradients and moments are updated lists of equal length, `step` is
// the number of this step from 1. Gradients are multiplied by `gradient_scale` first (clipping: max_norm / (norm + 1e-6), at most 1).
void adamw_step(const std::vector<Tensor>& parameters, const std::vector<Tensor>& gradients,
                const std::vector<Tensor>& first_moments, const std::vector<Tensor>& second_moments, int64_t step,
                const AdamWOptions& options, double gradient_scale = 1);

}  // namespace longhaul
