#include "cli/program.h"

#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <sstream>

#include "base/error.h"
#include "base/log.h"
#include "base/machine.h"
#include "cli/command.h"
#include "cli/standard_streams.h"
#include "train/stop_signal.h"
#include "version.h"

namespace longhaul {

namespace {

CommonFlags flags;
std::string line;

void add_common_flags(CLI::App& app) {
  app.add_option("--threads", flags.threads, "CPU threads; 0: every core this process may use")
      ->check(CLI::Range(0, 4096));
  app.add_flag("--json", flags.json, "machine-readable results on stdout");
}

void set_threads() {
  if (flags.threads == 0) flags.threads = available_cores();
  at::set_num_threads(flags.threads);
}

int parse_and_run(int argc, char** argv) {
  CLI::App app{"longhaul: train short, test long. How far past its training length does a language model work?"};
  app.set_version_flag("--version", std::string("longhaul ") + LH_VERSION + " (" + LH_COMMIT + ")");
  app.set_config("--config", "", "a TOML file; [command] sections hold its flags");
  app.allow_config_extras(false);
  app.require_subcommand(1);
  app.fallthrough();
  if (argc > 1 && argv[1][0] != '-') Commands().find(argv[1]);  // an unknown one is named
  std::map<CLI::App*, std::function<int()>> actions;
  for (const auto& [name, entry] : Commands().entries()) {
    CLI::App* sub = app.add_subcommand(name, entry.summary);
    sub->allow_config_extras(false);
    sub->fallthrough();
    add_common_flags(*sub);
    actions[sub] = entry.make(*sub);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      std::ostringstream said;
      app.exit(error, said);
      std::fputs(said.str().c_str(), stdout);
      return 0;
    }
    std::fprintf(stderr, "longhaul: %s\n", error.what());
    return kMistake;
  }
  set_threads();
  return actions.at(app.get_subcommands().front())();
}

// What was printed is a result: when a full disk has lost part of it, the command has failed.
void check_standard_output() {
  const bool whole = std::fflush(stdout) == 0 && !std::ferror(stdout);
  check(whole, "standard output cannot be written: part of the result is lost");
}

}  // namespace

Registry<CommandSetup>& Commands() {
  static Registry<CommandSetup> registry("command");
  return registry;
}

const CommonFlags& common_flags() { return flags; }

void add_device_flag(CLI::App& app) {
  app.add_option("--device", flags.device, "where tensors live")->check(CLI::IsMember({"cpu"}));
}

void add_dtype_flag(CLI::App& app) {
  app.add_option("--dtype", flags.dtype, "f32, bf16 (products in bf16, sums in f32) or f64")
      ->check(CLI::IsMember({"f32", "bf16", "f64"}));
}

void add_seed_flag(CLI::App& app) {
  app.add_option("--seed", flags.seed, "seed of every random choice")
      ->check(CLI::Range(uint64_t{0}, uint64_t{INT64_MAX}));
}

void add_dry_run_flag(CLI::App& app) { app.add_flag("--dry-run", flags.dry_run, "say what would be done, and stop"); }

CLI::Validator not_empty() {
  return CLI::Validator(
      [](const std::string& value) { return value.empty() ? std::string("wanted a value, found an empty one") : ""; },
      "");
}

const std::string& command_line() { return line; }

}  // namespace longhaul

int longhaul_run_program(int argc, char** argv) {
  using namespace longhaul;
  keep_standard_descriptors();
  wait_for_standard_output();
  for (int i = 0; i < argc; ++i) line += (i ? " " : "") + std::string(argv[i]);
  try {
    const int code = parse_and_run(argc, argv);
    check_standard_output();
    return code;
  } catch (const Interrupted& stop) {
    log_info(stop.what());
    return kInterrupted;
  } catch (const Error& error) {
    std::fprintf(stderr, "longhaul: %s\n", error.what());
    return kMistake;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "longhaul: internal error: %s\n", error.what());
    return 70;
  }
}
