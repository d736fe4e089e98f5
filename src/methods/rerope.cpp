// ReRoPE (Su 2023, kexue.fm/archives/9708): no pair stands further apart than the window. Leaky: distances beyond it grow by
// 1 / leak a token.
#include "methods/method.h"

namespace longhaul {

namespace {

LengthPlan make(Spec& spec, const MethodContext& model) {
  model.rotary(spec.name());
  const int64_t window = required_length(spec, "window");
  const bool leaks = spec.has("leak");
  const double leak = spec.number("leak", 0), w = static_cast<double>(window);
  check(!leaks || leak >= 1, "rerope: leak: wanted at least 1 (or no leak), got ", leak);
  LengthPlan plan;
  plan.far = FarPairs{.window = window};
  if (!leaks) {
    plan.far->query = [=](double) { return w; };
    plan.far->key = [](double) { return 0.0; };
  } else {  // w + (i - j - w) / leak
    plan.far->query = [=](double i) { return w + (i - w) / leak; };
    plan.far->key = [=](double j) { return j / leak; };
  }
  return plan;
}

}  // namespace

LH_REGISTER(Methods, "rerope", "no distance above the window, or slowly growing ones: window=, leak=", make);

}  // namespace longhaul
