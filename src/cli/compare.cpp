// `longhaul compare`: the papers' experiment in one command. Trains every encoding from the same seeds on the same data in the
// same order, measures all on the same tokens, reports. Each step is an ordinary command, printed before it runs in a process of
// its own, so that any part can be repeated by hand; what is done already is not done again.
#include <algorithm>
#include <cctype>
#include <cstdio>

#include "base/child_process.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/spec.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/token_flag.h"
#include "eval/protocol.h"
#include "eval/task.h"
#include "pos/encoding.h"
#include "train/stop_signal.h"

namespace longhaul {

namespace {

struct CompareFlags {
  CLI::App* app = nullptr;
  std::string arch = "gpt:mini", positions, data, tokenizer, lengths, tokens, out;
  int64_t seeds = 1;
};

struct Run {
  std::string position, folder;
  int64_t seed;
};

constexpr int64_t kMostSeeds = 1000;

// Canonical specs of encodings that exist; an unknown name is an error before anything is trained.
std::vector<std::string> position_list(const std::string& text) {
  std::vector<std::string> specs = split_specs(text);
  for (std::string& spec : specs) {
    Spec parsed = Spec::parse(spec);
    Encodings().find(parsed.name());
    spec = parsed.text();
    check(std::count(specs.begin(), specs.end(), spec) == 1, "--pos: '", spec, "' is named twice");
  }
  return specs;
}

// A spec as part of a folder's name: "dape:base=(cable)" -> "dape-base-cable".
std::string folder_name(const std::string& spec) {
  std::string name;
  for (char c : spec) {
    bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.';
    if (plain)
      name += c;
    else if (!name.empty() && name.back() != '-')
      name += '-';
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name;
}

std::vector<Run> runs_of(const CompareFlags& flags) {
  std::vector<Run> runs;
  // Seeds outside: after the first round there is a whole, if single, comparison.
  for (int64_t seed = 1; seed <= flags.seeds; ++seed)
    for (const std::string& position : position_list(flags.positions)) {
      std::string folder = path_join(flags.out, str(folder_name(position), "-seed", seed));
      for (const Run& other : runs)
        check(other.folder != folder, "--pos: '", other.position, "' and '", position, "' would share the folder ",
              folder);
      runs.push_back({position, folder, seed});
    }
  return runs;
}

// Runs a command; its exit code. Only the last step's standard output is the comparison's result. A signal, which has reached the
// command too or not, is the end of the comparison.
int run_longhaul(const std::vector<std::string>& arguments, ChildOutput output, const StopSignals& signals) {
  const ChildEnd end = run_self(arguments, output);
  signals.stop_if_received("the same command goes on from there");
  check(end.signal == 0, "compare: longhaul ", arguments.front(), " was killed by signal ", end.signal);
  return end.code;
}

// A step of the comparison: printed, and with --dry-run no more than that.
int run_step(const std::vector<std::string>& arguments, ChildOutput output, const StopSignals& signals) {
  log_info("longhaul ", join(arguments, " "));
  return common_flags().dry_run ? 0 : run_longhaul(arguments, output, signals);
}

// What training and measuring are both told.
std::vector<std::string> shared_arguments(const CompareFlags& flags, const char* command) {
  std::vector<std::string> arguments = {command, "--data", flags.data, "--threads",
                                        std::to_string(common_flags().threads)};
  if (!flags.tokenizer.empty()) arguments.insert(arguments.end(), {"--tokenizer", flags.tokenizer});
  return arguments;
}

// A run that is there already is told everything too: `train` refuses what contradicts it.
std::vector<std::string> train_arguments(const CompareFlags& flags, const Run& run) {
  std::vector<std::string> arguments = shared_arguments(flags, "train");
  const char* folder_flag = exists(path_join(run.folder, "train.json")) ? "--resume" : "--out";
  arguments.insert(arguments.end(), {"--arch", flags.arch, "--pos", run.position, "--seed", std::to_string(run.seed),
                                     folder_flag, run.folder, "--dtype", common_flags().dtype});
  for (const std::string& extra : flags.app->remaining()) arguments.push_back(extra);
  return arguments;
}

std::vector<std::string> ppl_arguments(const CompareFlags& flags, const std::vector<std::string>& folders) {
  std::vector<std::string> arguments = shared_arguments(flags, "ppl");
  arguments.insert(arguments.end(), {"--model", join(folders, ","), "--lengths", flags.lengths, "--seeds"});
  if (!flags.tokens.empty()) arguments.insert(arguments.end(), {"--tokens", flags.tokens});
  return arguments;
}

std::vector<std::string> report_arguments(const CompareFlags& flags, const std::vector<std::string>& folders) {
  std::vector<std::string> arguments = {"report"};
  arguments.insert(arguments.end(), folders.begin(), folders.end());
  auto file = [&](const char* flag, const char* name) {
    arguments.insert(arguments.end(), {flag, path_join(flags.out, name)});
  };
  arguments.push_back("--seeds");
  file("--html", "report.html");
  file("--markdown", "report.md");
  file("--csv", "results.csv");
  file("--json-out", "results.json");
  if (common_flags().json) arguments.push_back("--json");
  return arguments;
}

// What would fail only when all is trained fails before anything is: each training is planned, the measurement's windows are
// counted.
int check_plan(const CompareFlags& flags, const std::vector<Run>& runs, const StopSignals& signals) {
  std::vector<int64_t> lengths = parse_lengths(flags.lengths, "--lengths");
  std::sort(lengths.begin(), lengths.end());
  const Dataset data = Dataset::open(flags.data, flags.tokenizer);
  TaskContext context{&data, "val", lengths,
                      flags.tokens.empty() ? 0 : parse_tokens(flags.tokens, "--tokens", kMostTargets)};
  make_task("perplexity:" + protocol_keys("block"), context);
  for (const Run& run : runs) {
    if (run.seed > 1) break;
    std::vector<std::string> arguments = train_arguments(flags, run);
    arguments.insert(arguments.end(), {"--dry-run", "--json"});
    if (int code = run_longhaul(arguments, ChildOutput::nowhere, signals); code != 0) return code;
  }
  return 0;
}

int compare(const CompareFlags& flags) {
  check(flags.seeds >= 1 && flags.seeds <= kMostSeeds, "--seeds: wanted 1 to ", kMostSeeds, ", got ", flags.seeds);
  for (const std::string& extra : flags.app->remaining())
    check(extra != "--seed" && !extra.starts_with("--seed="),
          "compare: --seeds N trains the seeds 1 to N; --seed is not taken");
  const StopSignals signals;
  const std::vector<Run> runs = runs_of(flags);
  std::vector<std::string> folders;
  if (int code = check_plan(flags, runs, signals); code != 0) return code;
  for (const Run& run : runs) {
    folders.push_back(run.folder);
    int code = run_step(train_arguments(flags, run), ChildOutput::standard_error, signals);
    if (code != 0) return code;
  }
  int code = run_step(ppl_arguments(flags, folders), ChildOutput::standard_error, signals);
  if (code == 0) code = run_step(report_arguments(flags, folders), ChildOutput::ours, signals);
  if (code != 0) return code;
  if (!common_flags().dry_run) log_info("the page: ", path_join(flags.out, "report.html"));
  return 0;
}

LH_REGISTER(Commands, "compare",
            "trains encodings from the same seeds, measures them beyond the training length, reports",
            [](CLI::App& app) {
              auto flags = std::make_shared<CompareFlags>();
              flags->app = &app;
              app.allow_extras();
              app.fallthrough(false);  // unknown flags are for `train`, not for the program
              app.add_option("--pos", flags->positions, "positional encodings, by comma")->required();
              app.add_option("--arch", flags->arch, "the model, as for `longhaul train`")->capture_default_str();
              app.add_option("--seeds", flags->seeds, "seeds 1, 2, ... of each")->capture_default_str();
              app.add_option("--data", flags->data, "packed data set, or a folder of bare shards")->required();
              app.add_option("--tokenizer", flags->tokenizer, "of bare shards, which do not say it");
              app.add_option("--lengths", flags->lengths, "lengths to measure at, in tokens: 512,1k,2k")->required();
              app.add_option("--tokens", flags->tokens, "targets scored at each length (default: the whole split)");
              app.add_option("--out", flags->out, "folder of the runs and the report")->required();
              add_dtype_flag(app);
              add_dry_run_flag(app);
              app.footer("Every other flag goes to `longhaul train` as it is: --seq-len, --steps, --batch, --lr ...");
              return [flags] { return compare(*flags); };
            });

}  // namespace

}  // namespace longhaul
