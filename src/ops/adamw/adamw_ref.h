// The definition: Loshchilov and Hutter 2019 (arXiv 1711.05101), Algorithm 2, with the learning rate as its schedule.
#pragma once
#include <cmath>
#include <cstdint>

#include "ops/adamw/adamw.h"

namespace longhaul::ref {

// One step on `count` numbers; `step` counts from 1.
template <class S>
void adamw_step(int64_t count, S* parameter, const S* gradient, S* first, S* second, int64_t step,
                const AdamWOptions& options, S gradient_scale) {
  const S correction1 = 1 - std::pow(S(options.beta1), S(step)), correction2 = 1 - std::pow(S(options.beta2), S(step));
  for (int64_t i = 0; i < count; ++i) {
    const S g = gradient[i] * gradient_scale;
    first[i] = options.beta1 * first[i] + (1 - options.beta1) * g;
    second[i] = options.beta2 * second[i] + (1 - options.beta2) * g * g;
    const S direction = first[i] / correction1 / (std::sqrt(second[i] / correction2) + options.eps);
    parameter[i] -= options.lr * (direction + options.weight_decay * parameter[i]);
  }
}

}  // namespace longhaul::ref
