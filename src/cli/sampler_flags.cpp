#include "cli/sampler_flags.h"

#include "base/error.h"
#include "base/strings.h"

namespace longhaul {

namespace {

// "50256=-100"
void add_bias(SamplerOptions& sampler, const std::string& text) {
  const size_t equals = text.find('=');
  check(equals != std::string::npos, "--logit-bias: wanted id=number, got '", text, "'");
  const int64_t token = parse_integer(text.substr(0, equals), "--logit-bias");
  const bool is_new = sampler.bias.emplace(token, parse_number(text.substr(equals + 1), "--logit-bias")).second;
  check(is_new, "--logit-bias: wanted each id once, got ", token, " again");
}

}  // namespace

void add_sampler_flags(CLI::App& app, SamplerOptions& sampler) {
  app.add_option("--temperature", sampler.temperature, "logits are divided by it; 0: always the likeliest token")
      ->capture_default_str();
  app.add_option("--top-k", sampler.top_k, "only the k likeliest tokens; 0: all")->capture_default_str();
  app.add_option("--top-p", sampler.top_p, "only the likeliest tokens that sum to p")->capture_default_str();
  app.add_option("--min-p", sampler.min_p, "only tokens at least this share as likely as the likeliest")
      ->capture_default_str();
  app.add_option("--repetition-penalty", sampler.repetition_penalty, "above 1: tokens of the text become less likely")
      ->capture_default_str();
  app.add_option("--presence-penalty", sampler.presence_penalty, "taken from the logits of tokens that were drawn")
      ->capture_default_str();
  app.add_option("--frequency-penalty", sampler.frequency_penalty, "the same for every time that one was drawn")
      ->capture_default_str();
  app.add_option_function<std::vector<std::string>>(
         "--logit-bias",
         [&sampler](const std::vector<std::string>& all) {
           for (const std::string& text : all) add_bias(sampler, text);
         },
         "ID=NUMBER: added to the logit of a token; repeatable")
      ->allow_extra_args(false);
}

}  // namespace longhaul
