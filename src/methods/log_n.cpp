// Logits that grow with the logarithm of the length (Su 2021, kexue.fm/archives/8823; Chiang and Cholak 2022): by
// max(1, ln(i + 1) / ln L) for the query at i, L the trained length. by=text, clamp=false is the form of published CLEX
// checkpoints: ln(length) / ln L for all queries, below 1 in short texts.
#include "methods/log_n.h"

#include <algorithm>
#include <cmath>

#include "methods/method.h"

namespace longhaul {

LengthPlan log_n_plan(int64_t trained_length, bool by_text, bool clamp) {
  check(trained_length > 1, "log-n: wanted a trained length > 1, found ", trained_length);
  const double unit = std::log(static_cast<double>(trained_length)), least = clamp ? 1 : 0;
  LengthPlan plan;
  plan.logit_scale = [=](double position, int64_t length) {
    const double tokens = by_text ? static_cast<double>(length) : position + 1;
    return std::max(least, std::log(tokens) / unit);
  };
  plan.scales_by_length = by_text;
  plan.facts = {{"logits times", by_text ? "ln(length) / ln(trained)" : "ln(position + 1) / ln(trained)",
                 clamp ? "at least 1" : "not clamped"},
                {"trained", std::to_string(trained_length), ""}};
  return plan;
}

LH_REGISTER(Methods, "log-n", "logits grow with the logarithm of the position: by=query|text, clamp=true, trained=",
            [](Spec& spec, const MethodContext& model) {
              const int64_t trained = spec.length("trained", model.trained_length);
              const bool by_text = spec.choice("by", {"query", "text"}, "query") == "text";
              return log_n_plan(trained, by_text, spec.flag("clamp", true));
            });

}  // namespace longhaul
