// The learning rate of a step: linear warm-up, then half a cosine (build-nanogpt's rule; the Cable experiments use it).
#pragma once
#include <cstdint>

#include "base/json.h"

namespace longhaul {

struct Schedule {
  double max_lr = 6e-4, min_lr = 6e-5;
  int64_t warmup = 715, max_steps = 19073;

  // Of step t, counted from 0:
  //   t < warmup      max_lr (t + 1) / warmup
  //   t > max_steps   min_lr
  //   otherwise       min_lr + (max_lr - min_lr) (1 + cos(pi r)) / 2,  r = (t - warmup) / (max_steps - warmup)
  double lr(int64_t t) const;

  // Error unless 0 <= min_lr <= max_lr and 0 <= warmup < max_steps.
  void validate() const;
  Json json() const;  // {max_lr, min_lr, warmup, max_steps}
};

}  // namespace longhaul
