#include "bench/rows.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "bench/bench.h"
#include "bench/turns.h"
#include "version.h"

namespace longhaul {

namespace {

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

// The best rate of the limit's rows with as many threads: of those measured in turns with this one, where there are any.
void add_percent_of_bound(Json& row, const std::vector<Json>& earlier) {
  const Bench& bench = Benches().find(row["bench"].get<std::string>()).make;
  const std::string& bound = bench.bound;
  std::string key = str(bound == "memory" ? "gbyte" : "gflop", "_per_", row["threads"] == 1 ? "cpu_s" : "s");
  double any = 0, in_turns = 0;
  for (const Json& other : earlier) {
    const bool kind = bench.bound_kind.empty() || other["shape"].value("kind", "") == bench.bound_kind;
    if (!kind || other["bench"] != bound || other["threads"] != row["threads"]) continue;
    const bool beside = other.value("bound_of", "") == row["bench"] && other["case"] == row.value("case", Json());
    double& best = beside ? in_turns : any;
    best = std::max(best, other.value(key, 0.0));
  }
  const double best = in_turns > 0 ? in_turns : any;
  if (best > 0 && row.contains(key)) {
    row["bound"] = bound;
    row["percent_of_bound"] = std::round(1000 * row[key].get<double>() / best) / 10;
  }
}

// The bench that wants the cell.
std::string asked_bench(const Json& cell) { return cell.value("bound_of", cell["bench"].get<std::string>()); }

}  // namespace

Registry<Bench>& Benches() {
  static Registry<Bench> registry("bench");
  return registry;
}

std::vector<std::vector<Json>> grouped(const std::vector<Json>& cells) {
  std::vector<std::vector<Json>> groups;
  for (const Json& cell : cells) {
    auto belongs = [&](const std::vector<Json>& group) {
      return cell.contains("case") && group[0].value("case", Json()) == cell["case"] &&
             asked_bench(group[0]) == asked_bench(cell);
    };
    auto group = std::find_if(groups.begin(), groups.end(), belongs);
    group == groups.end() ? groups.push_back({cell}) : group->push_back(cell);
  }
  return groups;
}

void add_measured(const std::vector<Json>& group, std::vector<Json>& rows) {
  const std::vector<Json> measured = measure_in_turns(group);
  for (size_t n = 0; n < group.size(); ++n) {
    const Json& cell = group[n];
    Json row;
    for (const char* key : {"bench", "peer"}) row[key] = cell[key];
    row["version"] = cell["peer"] == "longhaul" ? std::string("longhaul " LH_VERSION " ") + LH_COMMIT : torch_version();
    for (const auto& [key, value] : cell.items()) {
      if (!row.contains(key)) row[key] = value;  // what the cell is; repeats become those that were measured
    }
    row.update(measured[n]);
    if (!row.contains("error")) {
      add_ratios(row, rows);
      add_percent_of_bound(row, rows);
    }
    rows.push_back(row);
  }
}

Json measure_here(const std::string& text) {
  take_turns();
  Json cell = parse_json(text, "cell");
  at::set_num_threads(cell.at("threads").get<int>());
  at::manual_seed(cell.value("seed", uint64_t{0}));
  return Benches().find(cell.at("bench").get<std::string>()).make.measure(cell);
}

}  // namespace longhaul
