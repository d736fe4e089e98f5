// LM-Infinite (Han et al. 2024, arXiv 2308.16137): a query sees the first few tokens and the last ones, the former at a distance
// that is never above the window.
#include "methods/method.h"

namespace longhaul {

namespace {

LengthPlan make(Spec& spec, const MethodContext& model) {
  model.rotary(spec.name());
  const int64_t first = spec.length("global", 10);
  check(first >= 1, "lm-infinite: global: wanted at least 1, got ", first);
  const int64_t window =
      spec.has("window") ? required_length(spec, "window") : spec.length("window", model.trained_length);
  const auto distance = static_cast<double>(window);
  LengthPlan plan;
  plan.far = FarPairs{.window = window,
                      .first_keys = first,
                      .query = [=](double) { return distance; },
                      .key = [](double) { return 0.0; }};
  plan.facts = {{"global", std::to_string(first), "first tokens, always seen" + model.in_open_layers()},
                {"window", std::to_string(window), "last tokens, seen; the largest distance"}};
  return plan;
}

}  // namespace

LH_REGISTER(Methods, "lm-infinite",
            "the first global=10 tokens and the last window= ones (default: trained length), distances capped", make);

}  // namespace longhaul
