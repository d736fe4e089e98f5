// The driver of every bench: lists the cells, measures each in a child, holds the rows against the machine's limits and
// against each other.
#include "cli/bench.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "base/machine.h"
#include "base/strings.h"
#include "cli/bench_process.h"
#include "cli/bench_table.h"
#include "cli/command.h"
#include "version.h"

namespace longhaul {

namespace {

struct Choice {
  std::string name;
  const Bench* bench;
  CLI::App* app;
  BenchCells cells;
};

struct Settings {
  std::vector<int> threads;
  int64_t repeats = 3;
  double budget = 40;
};

void complete(Json& cell, const std::string& bench, int threads, const Settings& settings) {
  const CommonFlags& flags = common_flags();
  cell["bench"] = bench;
  cell["threads"] = threads;
  cell["repeats"] = settings.repeats;
  cell["budget"] = settings.budget;
  cell["dtype"] = flags.dtype;
  cell["seed"] = flags.seed;
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
          complete(cell, choice.name, threads, settings);
          cells.push_back(cell);
        }
      }
    }
  }
  return cells;
}

// Processor time where both sides have it (one thread): it stays meaningful on a busy machine.
double time_of(const Json& row) { return row.value("cpu_seconds_min", row.value("seconds_min", 0.0)); }

bool same_work(const Json& a, const Json& b) {
  for (const char* key : {"bench", "threads", "dtype", "case"}) {
    if (a.value(key, Json()) != b.value(key, Json())) return false;
  }
  return a.contains("case");
}

void add_ratios(Json& row, const std::vector<Json>& earlier) {
  Json ratios = Json::object();
  for (const Json& other : earlier) {
    if (!other.contains("baseline") || other.contains("error") || !same_work(row, other)) continue;
    ratios[other["baseline"].get<std::string>()] = std::round(1000 * time_of(other) / time_of(row)) / 1000;
  }
  if (!ratios.empty()) row["ratio_to"] = ratios;
}

// The best rate of the limit's rows with as many threads.
void add_percent_of_bound(Json& row, const std::vector<Json>& earlier) {
  const std::string& bound = Benches().find(row["bench"].get<std::string>()).make.bound;
  std::string key = str(bound == "memory" ? "gbyte" : "gflop", "_per_", row["threads"] == 1 ? "cpu_s" : "s");
  double best = 0;
  for (const Json& other : earlier) {
    if (other["bench"] == bound && other["threads"] == row["threads"]) best = std::max(best, other.value(key, 0.0));
  }
  if (best > 0 && row.contains(key)) {
    row["bound"] = bound;
    row["percent_of_bound"] = std::round(1000 * row[key].get<double>() / best) / 10;
  }
}

Json row_of(const Json& cell, const std::vector<Json>& earlier) {
  Json row;
  for (const char* key : {"bench", "peer"}) row[key] = cell[key];
  row["version"] = cell["peer"] == "longhaul" ? std::string("longhaul " LH_VERSION " ") + LH_COMMIT : torch_version();
  for (const auto& [key, value] : cell.items()) {
    if (!row.contains(key)) row[key] = value;  // what the cell is; repeats become those that were measured
  }
  row.update(run_cell_in_child(cell));
  if (row.contains("error")) return row;
  add_ratios(row, earlier);
  add_percent_of_bound(row, earlier);
  return row;
}

int run(const std::vector<Choice>& choices, const Settings& settings) {
  std::vector<Json> rows;
  BenchTable table;
  bool failed = false;
  for (const Json& cell : all_cells(choices, settings)) {
    if (common_flags().dry_run) {
      std::printf("%s\n", cell.dump().c_str());
      continue;
    }
    rows.push_back(row_of(cell, rows));
    failed = failed || rows.back().contains("error");
    std::printf("%s\n", common_flags().json ? rows.back().dump().c_str() : table.line(rows.back()).c_str());
    std::fflush(stdout);
  }
  return failed ? 1 : 0;
}

// The child's side: measures one cell in this process and prints its keys.
int run_cell(const std::string& text) {
  Json cell = parse_json(text, "cell");
  at::set_num_threads(cell.at("threads").get<int>());
  at::manual_seed(cell.at("seed").get<uint64_t>());
  std::printf("%s\n", Benches().find(cell.at("bench").get<std::string>()).make.measure(cell).dump().c_str());
  return 0;
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
  CLI::App* child = app.add_subcommand("cell", "")->group("");  // how this program calls itself (bench_process.h)
  child->add_option("json", *cell)->required();
  return [settings, choices, child, cell] {
    if (child->parsed()) return run_cell(*cell);
    bool any = std::any_of(choices->begin(), choices->end(), [](const Choice& choice) { return choice.app->parsed(); });
    check(any, "bench: wanted one or more of ", join(Benches().names(), ", "), ", found none");
    return run(*choices, *settings);
  };
}

}  // namespace

Registry<Bench>& Benches() {
  static Registry<Bench> registry("bench");
  return registry;
}

LH_REGISTER(Commands, "bench",
            "speed and memory of one operation or of a training step, with percent of the machine's limit", setup);

}  // namespace longhaul
