// StreamingLLM (Xiao et al. 2024, arXiv 2309.17453): a query sees the first few tokens and the last ones, and stands, for those
// first ones, where it would in a text that held nothing else.
#include <algorithm>

#include "methods/method.h"

namespace longhaul {

namespace {

LengthPlan make(Spec& spec, const MethodContext& model) {
  model.rotary(spec.name());
  const int64_t sinks = spec.length("sinks", 4), rest = model.trained_length - sinks;
  check(sinks >= 1, "sink: sinks: wanted at least 1, got ", sinks);
  const int64_t window = spec.has("window") ? required_length(spec, "window") : spec.length("window", rest);
  check(window >= 1, "sink: window: wanted at least 1, got ", window, " (the trained length less the sinks)");
  LengthPlan plan;
  const double last = static_cast<double>(sinks + window - 1);
  plan.far =
      FarPairs{.window = window, .first_keys = sinks, .query = [=](double i) { return std::min(i, last); }, .key = {}};
  plan.facts = {{"sinks", std::to_string(sinks), "first tokens, always seen" + model.in_open_layers()},
                {"window", std::to_string(window), "last tokens, seen"}};
  return plan;
}

}  // namespace

LH_REGISTER(Methods, "sink", "the first sinks=4 tokens and the last window= ones (default: up to the trained length)",
            make);

}  // namespace longhaul
