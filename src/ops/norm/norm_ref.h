// The definition. Layer norm: Ba, Kiros and Hinton 2016 (arXiv 1607.06450) eq. 3-4. RMS norm: Zhang and Sennrich 2019 (arXiv 1910.07467) eq. 4.
#pragma once
#include <cmath>
#include <cstdint>

#include "ops/norm/norm.h"

namespace longhaul::ref {

// 1 / deviation and mean (0 for RMS) of one row.
template <class S>
struct Statistics {
  S mean = 0, scale = 0;
  Statistics(NormKind kind, int64_t width, const S* x, S eps) {
    if (kind == NormKind::layer) {
      for (int64_t c = 0; c < width; ++c) mean += x[c];
      mean /= width;
    }
    S square = 0;
    for (int64_t c = 0; c < width; ++c) square += (x[c] - mean) * (x[c] - mean);
    scale = 1 / std::sqrt(square / width + eps);
  }
};

// x, y [T, C]; weight, bias [C] or null.
template <class S>
void normalize(NormKind kind, int64_t tokens, int64_t width, const S* x, const S* weight, const S* bias, S eps, S* y) {
  for (int64_t t = 0; t < tokens; ++t, x += width, y += width) {
    const Statistics<S> row(kind, width, x, eps);
    for (int64_t c = 0; c < width; ++c) {
      y[c] = (x[c] - row.mean) * row.scale * (weight ? weight[c] : 1) + (bias ? bias[c] : 0);
    }
  }
}

// dy, dx [T, C]; dweight, dbias [C] are added to, or null.
// n = (x - mean) scale, g = dy weight: dx = scale (g - mean(g) - n mean(g n)), without mean(g) for RMS.
template <class S>
void normalize_backward(NormKind kind, int64_t tokens, int64_t width, const S* dy, const S* x, const S* weight, S eps,
                        S* dx, S* dweight, S* dbias) {
  for (int64_t t = 0; t < tokens; ++t, x += width, dy += width, dx += width) {
    const Statistics<S> row(kind, width, x, eps);
    S mean_g = 0, mean_gn = 0;
    for (int64_t c = 0; c < width; ++c) {
      const S n = (x[c] - row.mean) * row.scale, g = dy[c] * (weight ? weight[c] : 1);
      mean_g += g / width;
      mean_gn += g * n / width;
      if (dweight) dweight[c] += dy[c] * n;
      if (dbias) dbias[c] += dy[c];
    }
    if (kind == NormKind::rms) mean_g = 0;
    for (int64_t c = 0; c < width; ++c) {
      const S n = (x[c] - row.mean) * row.scale, g = dy[c] * (weight ? weight[c] : 1);
      dx[c] = row.scale * (g - mean_g - n * mean_gn);
    }
  }
}

}  // namespace longhaul::ref
