// The flags of commands that work with a model, the same in each of them, and what they open. Three steps, each with
// the flags of the one before: a model that is looked at (inspect), that is run (verify), that reads and writes text
// (chat, generate, answer).
#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "models/models.h"
#include "text/tokenizer.h"

namespace longhaul {

// --hf-overrides
void add_overrides(CLI::App& app, std::vector<std::string>& overrides);
// --weight-dtype, for inference_options(); --kv-cache-dtype, for cache_type()
void add_weight_dtype(CLI::App& app, std::string& dtype);
void add_kv_cache_dtype(CLI::App& app, std::string& dtype);
inline constexpr const char* kMethodHelp =
    "length methods, joined by +: yarn:factor=4, self-extend:group=8,window=512+log-n (`longhaul list methods`)";

struct ModelFlags {
  std::string model, method = "none";
  std::vector<std::string> overrides;

  std::unique_ptr<Model> load_as(LoadOptions how) const;
};
// The model, under `name` ("model": in its place; "--model"); --hf-overrides, --method and --dtype.
void add_model_flags(CLI::App& app, ModelFlags& flags, const std::string& name);

struct InferenceFlags : ModelFlags {
  std::string weight_dtype;

  std::unique_ptr<Model> load() const;
  std::string weights() const;  // what the matrices are kept in: "f32"
};
// --device and --weight-dtype beside them.
void add_inference_flags(CLI::App& app, InferenceFlags& flags, const std::string& name);

struct SessionFlags : InferenceFlags {
  std::string tokenizer, kv_cache_dtype, prefill_chunk = "512";

  // Side by side: a tokenizer takes as long as a model of a few hundred MB.
  std::pair<std::unique_ptr<Model>, std::unique_ptr<Tokenizer>> load_both() const;
  int64_t chunk() const;
  CacheType cache() const;
  std::string cache_name() const;  // what keys and values are kept in: "f32"
};
// --seed, --dry-run, --tokenizer, --prefill-chunk and --kv-cache-dtype beside them.
void add_session_flags(CLI::App& app, SessionFlags& flags, const std::string& name);

// --no-cache, of commands with the flags of a session that can do without one.
void add_no_cache(CLI::App& app, bool& no_cache);

}  // namespace longhaul
