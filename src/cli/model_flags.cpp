#include "cli/model_flags.h"

#include <future>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/token_flag.h"
#include "io/hub_folder.h"
#include "train/run_tokenizer.h"

namespace longhaul {

namespace {

const CLI::IsMember kReducedTypes({"f32", "bf16", "int8"});

}  // namespace

void add_overrides(CLI::App& app, std::vector<std::string>& overrides) {
  app.add_option("--hf-overrides", overrides,
                 "key=value: changes of config.json (rope_scaling.factor=8, sliding_window=null; key= takes it away); "
                 "repeatable")
      ->allow_extra_args(false);
}

void add_weight_dtype(CLI::App& app, std::string& dtype) {
  app.add_option("--weight-dtype", dtype,
                 "what the model's matrices are kept in: f32, bf16 or int8 (default: as --dtype); sums are f32")
      ->check(kReducedTypes);
}

void add_kv_cache_dtype(CLI::App& app, std::string& dtype) {
  app.add_option("--kv-cache-dtype", dtype,
                 "what keys and values are kept in: f32, bf16 or int8 (default: f32, or f64 with --dtype f64)")
      ->check(kReducedTypes);
}

std::unique_ptr<Model> ModelFlags::load_as(LoadOptions how) const {
  how.overrides = overrides;
  how.method = method;
  return load_model(model, how);
}

void add_model_flags(CLI::App& app, ModelFlags& flags, const std::string& name) {
  app.add_option(name, flags.model, "model directory, or the id of a cached hub model")->required();
  add_overrides(app, flags.overrides);
  app.add_option("--method", flags.method, kMethodHelp)->capture_default_str();
  add_dtype_flag(app);
}

std::unique_ptr<Model> InferenceFlags::load() const {
  return load_as(inference_options(common_flags().dtype, weight_dtype));
}

std::string InferenceFlags::weights() const { return weight_dtype.empty() ? common_flags().dtype : weight_dtype; }

void add_inference_flags(CLI::App& app, InferenceFlags& flags, const std::string& name) {
  add_model_flags(app, flags, name);
  add_device_flag(app);
  add_weight_dtype(app, flags.weight_dtype);
}

std::pair<std::unique_ptr<Model>, std::unique_ptr<Tokenizer>> SessionFlags::load_both() const {
  const auto when = common_flags().threads == 1 ? std::launch::deferred : std::launch::async;
  auto read = std::async(
      when, [this] { return tokenizer.empty() ? run_tokenizer(model_folder(model)) : make_tokenizer(tokenizer); });
  auto loaded = load();  // its errors come before the tokenizer's
  return {std::move(loaded), read.get()};
}

int64_t SessionFlags::chunk() const { return parse_tokens(prefill_chunk, "--prefill-chunk"); }

CacheType SessionFlags::cache() const { return cache_type(kv_cache_dtype, common_flags().dtype); }

std::string SessionFlags::cache_name() const {
  if (!kv_cache_dtype.empty()) return kv_cache_dtype;
  return common_flags().dtype == "f64" ? "f64" : "f32";
}

void add_session_flags(CLI::App& app, SessionFlags& flags, const std::string& name) {
  add_inference_flags(app, flags, name);
  add_seed_flag(app);
  add_dry_run_flag(app);
  app.add_option("--tokenizer", flags.tokenizer, "name or path (default: the run's own)")->check(not_empty());
  app.add_option("--prefill-chunk", flags.prefill_chunk,
                 "tokens of prompts that pass through the layers together, at most")
      ->capture_default_str();
  add_kv_cache_dtype(app, flags.kv_cache_dtype);
}

void add_no_cache(CLI::App& app, bool& no_cache) {
  app.add_flag("--no-cache", no_cache, "read the whole text again for every token: slow, and right for every encoding")
      ->excludes(app.get_option("--prefill-chunk"))
      ->excludes(app.get_option("--kv-cache-dtype"));
}

}  // namespace longhaul
