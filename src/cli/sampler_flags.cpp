#include "cli/sampler_flags.h"

namespace longhaul {

void add_sampler_flags(CLI::App& app, SamplerOptions& sampler) {
  app.add_option("--temperature", sampler.temperature, "logits are divided by it; 0: always the likeliest token")
      ->capture_default_str();
  app.add_option("--top-k", sampler.top_k, "only the k likeliest tokens; 0: all")->capture_default_str();
  app.add_option("--top-p", sampler.top_p, "only the likeliest tokens that sum to p")->capture_default_str();
  app.add_option("--min-p", sampler.min_p, "only tokens at least this share as likely as the likeliest")
      ->capture_default_str();
  app.add_option("--repetition-penalty", sampler.repetition_penalty, "above 1: tokens of the text become less likely")
      ->capture_default_str();
}

}  // namespace longhaul
