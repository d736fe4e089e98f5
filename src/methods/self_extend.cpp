// Self-Extend (Jin et al. 2024, arXiv 2401.01325): neighbours closer than the window stand where they are; beyond it, `group`
// neighbouring positions are one, and queries are shifted so that the two meet at the window's border.
#include <cmath>

#include "methods/method.h"

namespace longhaul {

namespace {

LengthPlan make(Spec& spec, const MethodContext& model) {
  model.rotary(spec.name());
  const auto group = static_cast<double>(required_length(spec, "group"));
  const int64_t window = required_length(spec, "window");
  const double shift = static_cast<double>(window) - std::floor(static_cast<double>(window) / group);
  LengthPlan plan;
  plan.far = FarPairs{.window = window,
                      .query = [=](double i) { return std::floor(i / group) + shift; },
                      .key = [=](double j) { return std::floor(j / group); }};
  const double reach = (static_cast<double>(model.trained_length - window)) * group + static_cast<double>(window);
  // Where every layer has a window of its own within the trained length, no text has pairs further apart, method or not.
  if (model.sees_beyond(model.trained_length))
    plan.facts.push_back(rope_fact("reaches (tokens)", std::max(reach, static_cast<double>(model.trained_length)),
                                   "(trained length - window) group + window"));
  return plan;
}

}  // namespace

LH_REGISTER(Methods, "self-extend", "far positions in groups, near ones as they are: group=, window=", make);

}  // namespace longhaul
