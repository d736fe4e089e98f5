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

// Of an option whose default has no spelling: a variable of a script that was never set is a mistake, not that default.
CLI::Validator not_empty();

inline constexpr int kMistake = 2;        // the exit code after an Error
inline constexpr int kInterrupted = 130;  // the shell's code for a command that ^C ended

// The command line as it was given, for result files.
const std::string& command_line();

}  // namespace longhaul
