// The definitions. GELU and its tanh form: Hendrycks and Gimpel 2016 (arXiv 1606.08415), section 2. SiLU: x sigmoid(x).
#pragma once
#include <cmath>
#include <cstdint>
#include <numbers>

#include "ops/linear/linear.h"

namespace longhaul::ref {

// x [T, in], weight [out, in], bias [out] or null -> y [T, out].
template <class S>
void linear(int64_t tokens, int64_t in, int64_t out, const S* x, const S* weight, const S* bias, S* y) {
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t o = 0; o < out; ++o) {
      S sum = bias ? bias[o] : 0;
      for (int64_t i = 0; i < in; ++i) sum += x[t * in + i] * weight[o * in + i];
      y[t * out + o] = sum;
    }
  }
}

template <class S>
S activate(Activation activation, S x) {
  constexpr S kRoot = std::numbers::sqrt2_v<S> * std::numbers::inv_sqrtpi_v<S>;  // sqrt(2 / pi)
  switch (activation) {
    case Activation::gelu_tanh: return x / 2 * (1 + std::tanh(kRoot * (x + S(0.044715) * x * x * x)));
    case Activation::gelu: return x / 2 * (1 + std::erf(x / std::numbers::sqrt2_v<S>));
    case Activation::relu: return x > 0 ? x : 0;
    case Activation::silu: return x / (1 + std::exp(-x));
  }
  return x;
}

template <class S>
S activate_slope(Activation activation, S x) {
  constexpr S kRoot = std::numbers::sqrt2_v<S> * std::numbers::inv_sqrtpi_v<S>;
  switch (activation) {
    case Activation::gelu_tanh: {
      const S tanh = std::tanh(kRoot * (x + S(0.044715) * x * x * x));
      return (1 + tanh) / 2 + x / 2 * (1 - tanh * tanh) * kRoot * (1 + 3 * S(0.044715) * x * x);
    }
    case Activation::gelu:
      return (1 + std::erf(x / std::numbers::sqrt2_v<S>)) / 2 + x * kRoot / 2 * std::exp(-x * x / 2);
    case Activation::relu: return x > 0 ? 1 : 0;
    case Activation::silu: {
      const S sigmoid = 1 / (1 + std::exp(-x));
      return sigmoid * (1 + x * (1 - sigmoid));
    }
  }
  return 1;
}

}  // namespace longhaul::ref
