// `longhaul bench`: lists the cells of what was asked for, has each measured (bench/rows.h) and prints the rows as they come.
#include "bench/bench.h"

#include <algorithm>
#include <cstdio>

#include "base/log.h"
#include "base/machine.h"
#include "base/strings.h"
#include "bench/rows.h"
#include "bench/table.h"
#include "cli/command.h"

namespace longhaul {

namespace {

struct Choice {
  std::string name;
  const Bench* bench;
  CLI::App* app;
  BenchCells cells;
};

bool is_without(const Bench& bench, const std::string& flag) {
  return std::find(bench.without.begin(), bench.without.end(), flag) != bench.without.end();
}

struct Settings {
  std::vector<int> threads;
  int64_t repeats = 3;
  double budget = 40;
};

void complete(Json& cell, const Choice& choice, int threads, const Settings& settings) {
  if (!cell.contains("bench")) cell["bench"] = choice.name;
  const Bench& bench = Benches().find(cell["bench"].get<std::string>()).make;
  cell["threads"] = threads;
  const CommonFlags& flags = common_flags();
  const Json shared = {
      {"repeats", settings.repeats}, {"budget", settings.budget}, {"dtype", flags.dtype}, {"seed", flags.seed}};
  for (const auto& [key, value] : shared.items())
    if (!is_without(bench, "--" + key) && !cell.contains(key)) cell[key] = value;
}

// A flag that would change nothing is refused.
void check_flags(const CLI::App& app, const std::vector<Choice>& choices) {
  for (const Choice& choice : choices) {
    if (!choice.app->parsed()) continue;
    for (const std::string& flag : choice.bench->without)
      check(app.get_option(flag)->count() == 0, "bench ", choice.name, " takes no ", flag);
  }
}

// The machine's limits first, then what was asked for; a limit that was asked for itself is not measured twice.
std::vector<Json> all_cells(const std::vector<Choice>& choices, const Settings& settings) {
  std::vector<std::string> wanted;
  for (const Choice& choice : choices) {
    if (!choice.app->parsed()) continue;
    wanted.push_back(choice.name);
    if (!choice.bench->bound.empty()) wanted.push_back(choice.bench->bound);
  }
  auto is_limit = [](const Choice& choice) { return choice.bench->bound.empty(); };
  std::vector<Json> cells;
  for (bool limits : {true, false}) {
    for (const Choice& choice : choices) {
      if (is_limit(choice) != limits || std::find(wanted.begin(), wanted.end(), choice.name) == wanted.end()) continue;
      for (int threads : settings.threads) {
        for (Json& cell : choice.cells()) {
          complete(cell, choice, threads, settings);
          cells.push_back(cell);
        }
      }
    }
  }
  return cells;
}

int run(const std::vector<Choice>& choices, const Settings& settings) {
  std::vector<Json> rows;
  BenchTable table;
  bool failed = false;
  for (const std::vector<Json>& group : grouped(all_cells(choices, settings))) {
    if (common_flags().dry_run) {
      for (const Json& cell : group) std::printf("%s\n", cell.dump().c_str());
      continue;
    }
    if (group.size() > 1)
      log_info("bench ", group[0]["bench"].get<std::string>(), ": ", group[0]["case"].get<std::string>(), ": ",
               group.size(), " cells in turns");
    const size_t before = rows.size();
    add_measured(group, rows);
    for (size_t n = before; n < rows.size(); ++n) {
      failed = failed || rows[n].contains("error");
      std::printf("%s\n", common_flags().json ? rows[n].dump().c_str() : table.line(rows[n]).c_str());
    }
    std::fflush(stdout);
  }
  return failed ? 1 : 0;
}

std::vector<int> default_threads() {
  int cores = available_cores();
  return cores == 1 ? std::vector<int>{1} : std::vector<int>{1, cores};
}

std::function<int()> setup(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  auto choices = std::make_shared<std::vector<Choice>>();
  auto cell = std::make_shared<std::string>();
  settings->threads = default_threads();
  app.remove_option(app.get_option("--threads"));  // a list here
  app.add_option("--threads", settings->threads, "numbers of threads, each measured (default: 1 and every core)")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096));
  add_dtype_flag(app);
  add_seed_flag(app);
  add_dry_run_flag(app);
  app.add_option("--repeats", settings->repeats, "measured calls; the minimum and the median are shown")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--budget", settings->budget,
                 "seconds of calls after which a cell stops, with one measured call at least")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.footer(
      "With one thread, percentages and ratios are of processor time, which other jobs on the machine do not change.");
  app.require_subcommand(0, 0);  // any number: CLI11 hands the program's own limit of one down
  for (const auto& [name, entry] : Benches().entries()) {
    CLI::App* sub = app.add_subcommand(name, entry.summary);
    sub->allow_config_extras(false);
    sub->fallthrough();
    choices->push_back({name, &entry.make, sub, entry.make.options(*sub)});
  }
  CLI::App* child = app.add_subcommand("cell", "")->group("");  // how this program calls itself (bench/turns.h)
  child->add_option("json", *cell)->required();
  return [settings, choices, child, cell, &app] {
    if (child->parsed()) {
      std::printf("%s\n", measure_here(*cell).dump().c_str());
      return 0;
    }
    bool any = std::any_of(choices->begin(), choices->end(), [](const Choice& choice) { return choice.app->parsed(); });
    check(any, "bench: wanted one or more of ", join(Benches().names(), ", "), ", found none");
    check_flags(app, *choices);
    return run(*choices, *settings);
  };
}

}  // namespace

LH_REGISTER(Commands, "bench",
            "speed and memory of one operation or of a training step, with percent of the machine's limit", setup);

}  // namespace longhaul
