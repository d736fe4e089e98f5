// A subcommand of `longhaul`: one self-registering file in cli/.
#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/registry.h"

namespace longhaul {

// Adds its options to `app` and returns what to run once they are parsed; the returned value is the exit code.
using CommandSetup = std::function<std::function<int()>(CLI::App& app)>;
Registry<CommandSetup>& Commands();

// Flags that mean the same in every command that takes them (design section 1). Threads are already set when a command runs.
struct CommonFlags {
  int threads = 0;  // resolved: never 0 when a command runs
  std::string device = "cpu";
  std::string dtype = "f32";  // f32, bf16 (products), f64
  uint64_t seed = 0;
  bool json = false;     // machine-readable results on stdout instead of tables
  bool dry_run = false;  // say what would be done, and stop
};
const CommonFlags& common_flags();

// Every command has --threads and --json; one takes of the others what it honours.
void add_device_flag(CLI::App& app);
void add_dtype_flag(CLI::App& app);
void add_seed_flag(CLI::App& app);
void add_dry_run_flag(CLI::App& app);

inline constexpr int kInterrupted = 130;  // the shell's code for a command that ^C ended

// --hf-overrides, of the commands that load a model.
inline void add_overrides(CLI::App& app, std::vector<std::string>& overrides) {
  app.add_option("--hf-overrides", overrides,
                 "key=value: changes of config.json (rope_scaling.factor=8, sliding_window=null; key= takes it away); "
                 "repeatable")
      ->allow_extra_args(false);
}

// --method, of the commands that run a model (methods/method.h).
inline constexpr const char* kMethodHelp =
    "length methods, joined by +: yarn:factor=4, self-extend:group=8,window=512+log-n (`longhaul list methods`)";
inline void add_method(CLI::App& app, std::string& method) {
  app.add_option("--method", method, kMethodHelp)->capture_default_str();
}

// --weight-dtype, of the commands that run a model: for inference_options().
inline void add_weight_dtype(CLI::App& app, std::string& dtype) {
  app.add_option("--weight-dtype", dtype,
                 "what the model's matrices are kept in: f32, bf16 or int8 (default: as --dtype); sums are f32")
      ->check(CLI::IsMember({"f32", "bf16", "int8"}));
}

// --kv-cache-dtype, of the commands that keep keys and values: for cache_type().
inline CLI::Option* add_kv_cache_dtype(CLI::App& app, std::string& dtype) {
  return app
      .add_option("--kv-cache-dtype", dtype,
                  "what keys and values are kept in: f32, bf16 or int8 (default: as --dtype)")
      ->check(CLI::IsMember({"f32", "bf16", "int8"}));
}

// The command line as it was given, for result files.
const std::string& command_line();

}  // namespace longhaul
