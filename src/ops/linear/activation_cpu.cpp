// GELU's tanh form and SiLU, both x sigmoid(u(x)), and their derivatives.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/linear/activation_cpu.cpp"
#include <ATen/Parallel.h>
#include <hwy/foreach_target.h>  // must come before highway.h

#include <algorithm>
#include <numbers>

#include "ops/linear/activation.h"
#include "ops/op.h"
#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {

// u(x) and u'(x). GELU: (1 + tanh(u / 2)) / 2 = sigmoid(u) with u = 2 sqrt(2 / pi) (x + 0.044715 x^3).
struct GeluArgument {
  static constexpr float kScale = 2 * std::numbers::sqrt2_v<float> * std::numbers::inv_sqrtpi_v<float>;
  HWY_INLINE FloatVector value(FloatVector x) const {
    const Floats d;
    const auto square = hn::Mul(x, x), scale = hn::Set(d, kScale);
    return hn::Mul(x, hn::MulAdd(square, hn::Set(d, kScale * 0.044715f), scale));
  }
  HWY_INLINE FloatVector slope(FloatVector x) const {
    const Floats d;
    return hn::MulAdd(hn::Mul(x, x), hn::Set(d, kScale * 3 * 0.044715f), hn::Set(d, kScale));
  }
};

struct SiluArgument {
  HWY_INLINE FloatVector value(FloatVector x) const { return x; }
  HWY_INLINE FloatVector slope(FloatVector) const { return hn::Set(Floats(), 1.0f); }
};

template <class Argument>
HWY_INLINE void activate_range(const Argument& argument, int64_t count, const float* x, float* y, const float* grad,
                               float* dx) {
  const Floats d;
  const auto one = hn::Set(d, 1.0f), bound = hn::Set(d, 88.0f);  // exp(88) is finite
  for_vectors(count, [&](const auto& load, const auto& store, int64_t) HWY_ATTR {
    const auto input = load(x, 0);
    // With e = exp(-u): sigmoid s = 1 / (1 + e), and 1 - s = e s has no cancellation.
    const auto power = hn::Exp(d, hn::Min(hn::Neg(argument.value(input)), bound));
    const auto sigmoid = hn::Div(one, hn::Add(one, power)), output = hn::Mul(input, sigmoid);
    if (y) store(output, y);
    if (dx) {
      const auto rest = hn::Mul(hn::Mul(power, sigmoid), argument.slope(input));
      store(hn::Mul(load(grad, 0), hn::MulAdd(output, rest, sigmoid)), dx);
    }
  });
}

void activate(Activation activation, int64_t count, const float* x, float* y, const float* grad, float* dx) {
  if (activation == Activation::silu) return activate_range(SiluArgument(), count, x, y, grad, dx);
  activate_range(GeluArgument(), count, x, y, grad, dx);
}

template <class Argument>
HWY_INLINE void gate_row(const Argument& argument, int64_t hidden, const float* row, float* y) {
  const Floats d;
  const auto one = hn::Set(d, 1.0f), bound = hn::Set(d, 88.0f);
  for_vectors(hidden, [&](const auto& load, const auto& store, int64_t) HWY_ATTR {
    const auto input = load(row, 0);
    const auto power = hn::Exp(d, hn::Min(hn::Neg(argument.value(input)), bound));
    const auto output = hn::Mul(input, hn::Div(one, hn::Add(one, power)));
    store(hn::Mul(output, load(row + hidden, 0)), y);
  });
}

void gate(Activation activation, int64_t hidden, const float* row, float* y) {
  if (activation == Activation::silu) return gate_row(SiluArgument(), hidden, row, y);
  gate_row(GeluArgument(), hidden, row, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
namespace {
HWY_EXPORT(activate);
HWY_EXPORT(gate);
}  // namespace

void activate_cpu(Activation activation, int64_t count, const float* x, float* y, const float* grad, float* dx) {
  at::parallel_for(0, count, 16384, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(activate)
    (activation, end - begin, x + begin, y ? y + begin : nullptr, grad ? grad + begin : nullptr,
     dx ? dx + begin : nullptr);
  });
}

void gate_cpu(Activation activation, int64_t rows, int64_t hidden, const float* both, float* y) {
  at::parallel_for(0, rows, std::max<int64_t>(16384 / std::max<int64_t>(hidden, 1), 1),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t t = begin; t < end; ++t)
                       HWY_DYNAMIC_DISPATCH(gate)(activation, hidden, both + 2 * t * hidden, y + t * hidden);
                   });
}

LH_REGISTER(Ops, "linear", "x W^T + b with the norm or activation before it", [] {
  return OpPaths{"own products by blocks of rows or over packed panels (f32, bf16, int8), own activation, " +
                     vector_target(HWY_TARGETS) + "; f64: composition of ATen ops",
                 kAtenComposition};
});

}  // namespace longhaul
#endif
