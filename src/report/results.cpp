#include "report/results.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"

namespace longhaul {

namespace {

// JSON has no infinities: a loss that overflowed is null in the journal and NaN here.
double number_or_nan(const Json& value) { return value.is_null() ? std::nan("") : value.get<double>(); }

std::string text_or_empty(const Json& object, const char* key) {
  if (!object.contains(key)) return "";
  return object[key].is_string() ? object[key].get<std::string>() : object[key].dump();
}

// A cell record with the samples that its latest run wanted of it.
struct Gathered {
  const Json* cell = nullptr;
  int64_t wanted = 0;
  std::map<int64_t, const Json*> samples;  // by index
};

std::string row_key(const Json& cell) {
  const Json& model = cell.at("model");
  return Json{model.at("name"), model.at("weights"), model.at("config"), cell.at("method"), cell.at("repeat")}.dump();
}

std::string board_key(const Json& cell) {
  const Json& task = cell.at("task");
  return Json{task.at("spec"), task.at("data"), task.at("split"), task.value("period", 0), cell.at("settings")}.dump();
}

// What a cell measures, whatever the build that did it.
std::string slot_of(const Json& cell) { return board_key(cell) + row_key(cell) + cell.at("length").dump(); }

std::vector<Gathered> gather(const std::vector<Json>& records, const std::vector<Json>& runs) {
  std::map<std::string, const Json*> cells;
  std::vector<std::string> slots;  // in order of first appearance
  for (const Json& record : records)
    if (record.at("kind") == "cell" && cells.emplace(record.at("key"), &record).second)
      slots.push_back(slot_of(record));
  std::map<std::string, Gathered> latest;
  for (const Json& run : runs)
    for (const auto& [key, wanted] : run.at("cells").items())
      if (auto cell = cells.find(key); cell != cells.end())
        latest[slot_of(*cell->second)] = {cell->second, wanted.get<int64_t>(), {}};
  std::map<std::string, Gathered*> by_key;
  for (auto& [slot, gathered] : latest) by_key[gathered.cell->at("key")] = &gathered;
  for (const Json& record : records) {
    if (record.at("kind") != "sample") continue;
    auto at = by_key.find(record.at("cell"));
    if (at != by_key.end() && record.at("index") < at->second->wanted)
      at->second->samples[record.at("index")] = &record;
  }
  std::vector<Gathered> ordered;
  std::set<std::string> seen;
  for (const std::string& slot : slots)
    if (latest.count(slot) && seen.insert(slot).second) ordered.push_back(latest[slot]);
  return ordered;
}

void add_positions(std::map<int64_t, PositionLoss>& sums, const Json& positions) {
  for (const Json& entry : positions) {
    PositionLoss& sum = sums[entry.at(0)];
    sum.context = entry.at(0);
    sum.nll += number_or_nan(entry.at(1));
    sum.tokens += entry.at(2).get<double>();
  }
}

// Totals over windows become estimates; the error of bits per byte is that of the loss in its unit.
void estimate(CellResult& cell) {
  std::vector<double> nll, tokens, bytes;
  for (const WindowScore& window : cell.windows) {
    nll.push_back(window.nll);
    tokens.push_back(window.tokens);
    bytes.push_back(window.bytes);
  }
  cell.loss = ratio_estimate(nll, tokens);
  cell.bits_per_byte = scaled(ratio_estimate(nll, bytes), 1 / std::numbers::ln2);
}

CellResult cell_result(const Gathered& gathered) {
  CellResult cell;
  cell.length = gathered.cell->at("length");
  cell.wanted = gathered.wanted;
  cell.reason = gathered.cell->value("reason", "");
  std::map<int64_t, PositionLoss> positions;
  double skipped = 0, skip_count = 0;
  for (const auto& [index, record] : gathered.samples) {
    const Json& score = record->at("score");
    const Json& cost = record->at("cost");
    cell.windows.push_back(
        {index, number_or_nan(score.at("nll")), score.at("tokens"), number_or_nan(score.at("bytes"))});
    add_positions(positions, score.at("positions"));
    cell.tokens += record->at("ledger").at("prompt").get<double>();
    cell.seconds += cost.at("seconds").get<double>();
    cell.peak_rss_bytes = std::max(cell.peak_rss_bytes, cost.at("peak_rss_bytes").get<double>());
    if (cost.contains("skip_rate")) {
      skipped += number_or_nan(cost["skip_rate"]);
      ++skip_count;
    }
  }
  for (const auto& [context, sum] : positions) cell.positions.push_back(sum);
  if (skip_count > 0) cell.skip_rate = skipped / skip_count;
  estimate(cell);
  return cell;
}

Row row_of(const Json& cell) {
  const Json& model = cell.at("model");
  Row row;
  row.path = model.at("name");
  row.label = text_or_empty(model, "label");
  row.position = text_or_empty(model, "position");
  row.method = cell.at("method");
  row.trained_length = model.value("trained_length", int64_t{0});
  row.parameters = model.value("parameters", int64_t{0});
  row.seed = text_or_empty(model, "seed");
  row.recipe = text_or_empty(model, "recipe");
  return row;
}

// The shortest ending of each path, in whole folders, that tells the rows apart.
void name_rows(std::vector<Row>& rows) {
  auto ending = [](const std::string& path, size_t parts) {
    std::vector<std::string> all = split(path, '/');
    while (!all.empty() && all.back().empty()) all.pop_back();
    if (all.size() > parts) all.erase(all.begin(), all.end() - static_cast<int64_t>(parts));
    return join(all, "/");
  };
  for (size_t parts = 1; parts <= 16; ++parts) {
    std::set<std::string> names;
    for (Row& row : rows) {
      row.name = ending(row.path, parts) + (row.method == "none" ? "" : " + " + row.method);
      names.insert(row.name);
    }
    if (names.size() == rows.size()) return;
  }
}

std::string common_name(const std::vector<const Row*>& rows) {
  std::string name = rows.front()->name;
  for (const Row* row : rows) {
    size_t same = 0;
    while (same < name.size() && same < row->name.size() && name[same] == row->name[same]) ++same;
    name.resize(same);
  }
  while (!name.empty() && (name.back() == '-' || name.back() == '_' || name.back() == '.' || name.back() == '/'))
    name.pop_back();
  for (const char* ending : {"-s", "_s", "-seed", "_seed"})
    if (name.ends_with(ending)) name.resize(name.size() - std::string(ending).size());
  return name.empty() ? rows.front()->position : name;
}

// Sums over the runs that have the cell; null when none has.
bool merge_cells(const std::vector<const Row*>& rows, int64_t length, CellResult& merged) {
  std::vector<double> losses, bits;
  std::map<int64_t, WindowScore> windows;
  std::map<int64_t, PositionLoss> positions;
  merged.length = length;
  for (const Row* row : rows) {
    const CellResult* cell = row->at(length);
    if (!cell || !cell->complete()) merged.partial = true;
    if (!cell) continue;
    losses.push_back(cell->loss.mean);
    bits.push_back(cell->bits_per_byte.mean);
    merged.tokens += cell->tokens;
    merged.seconds += cell->seconds;
    merged.peak_rss_bytes = std::max(merged.peak_rss_bytes, cell->peak_rss_bytes);
    merged.wanted = std::max(merged.wanted, cell->wanted);
    for (const WindowScore& window : cell->windows) {
      WindowScore& sum = windows[window.index];
      sum = {window.index, sum.nll + window.nll, sum.tokens + window.tokens, sum.bytes + window.bytes};
    }
    for (const PositionLoss& loss : cell->positions) {
      PositionLoss& sum = positions[loss.context];
      sum = {loss.context, sum.nll + loss.nll, sum.tokens + loss.tokens};
    }
  }
  for (const auto& [index, window] : windows) merged.windows.push_back(window);
  for (const auto& [context, loss] : positions) merged.positions.push_back(loss);
  merged.loss = mean_estimate(losses);
  merged.bits_per_byte = mean_estimate(bits);
  return !losses.empty();
}

Row merge_rows(const std::vector<const Row*>& rows, const std::vector<int64_t>& lengths) {
  Row merged = *rows.front();
  merged.seeds = static_cast<int64_t>(rows.size());
  merged.name = common_name(rows) + str(" (", merged.seeds, " seeds)");
  merged.cells.clear();
  std::vector<std::string> seeds;
  for (const Row* row : rows) seeds.push_back(row->seed);
  merged.seed = join(seeds, " ");
  for (int64_t length : lengths) {
    CellResult cell;
    if (merge_cells(rows, length, cell)) merged.cells[length] = cell;
  }
  return merged;
}

// Groups in order of first appearance; a row without a recipe is its own group.
std::vector<std::vector<const Row*>> seed_groups(const Board& board) {
  std::vector<std::vector<const Row*>> groups;
  std::map<std::string, size_t> where;
  for (const Row& row : board.rows) {
    std::string key = row.recipe.empty() ? "" : row.recipe + " " + row.method;
    if (!key.empty() && where.count(key)) {
      groups[where[key]].push_back(&row);
      continue;
    }
    if (!key.empty()) where[key] = groups.size();
    groups.push_back({&row});
  }
  return groups;
}

}  // namespace

const CellResult* Row::at(int64_t length) const {
  auto cell = cells.find(length);
  return cell == cells.end() || cell->second.windows.empty() ? nullptr : &cell->second;
}

std::string Board::protocol() const {
  size_t at = task.find("protocol=");
  if (at == std::string::npos) return task;
  std::string keys = task.substr(at + 9);
  size_t comma = keys.find(',');
  return comma == std::string::npos ? keys : keys.substr(comma + 1);
}

std::vector<int64_t> Board::trained_lengths() const {
  std::set<int64_t> all;
  for (const Row& row : rows)
    if (row.trained_length > 0) all.insert(row.trained_length);
  return {all.begin(), all.end()};
}

Results collect_results(const std::vector<Json>& records) {
  Results results;
  for (const Json& record : records)
    if (record.at("kind") == "run") results.runs.push_back(record);
  std::stable_sort(results.runs.begin(), results.runs.end(),
                   [](const Json& a, const Json& b) { return a.at("started") < b.at("started"); });
  std::map<std::string, size_t> boards;
  std::map<std::string, size_t> rows;  // board key + row key
  for (const Gathered& gathered : gather(records, results.runs)) {
    const Json& cell = *gathered.cell;
    std::string board = board_key(cell), row = board + row_key(cell);
    if (boards.emplace(board, results.boards.size()).second)
      results.boards.push_back({cell.at("task").at("spec"), cell.at("task"), cell.at("settings"), {}, {}});
    Board& target = results.boards[boards[board]];
    if (rows.emplace(row, target.rows.size()).second) target.rows.push_back(row_of(cell));
    CellResult result = cell_result(gathered);
    target.rows[rows[row]].cells[result.length] = result;
  }
  for (Board& board : results.boards) {
    std::set<int64_t> lengths;
    for (const Row& row : board.rows)
      for (const auto& [length, cell] : row.cells) lengths.insert(length);
    board.lengths.assign(lengths.begin(), lengths.end());
    name_rows(board.rows);
  }
  return results;
}

Estimate paired_difference(const CellResult& row, const CellResult& base) {
  std::map<int64_t, const WindowScore*> by_index;
  for (const WindowScore& window : base.windows) by_index[window.index] = &window;
  std::vector<double> differences, tokens;
  for (const WindowScore& window : row.windows) {
    auto other = by_index.find(window.index);
    if (other == by_index.end()) continue;
    differences.push_back(window.nll / window.tokens - other->second->nll / other->second->tokens);
    tokens.push_back(window.tokens);
  }
  for (size_t i = 0; i < differences.size(); ++i) differences[i] *= tokens[i];
  return ratio_estimate(differences, tokens);
}

Board merge_seeds(const Board& board) {
  Board merged = board;
  merged.rows.clear();
  for (const std::vector<const Row*>& group : seed_groups(board))
    merged.rows.push_back(group.size() == 1 ? *group.front() : merge_rows(group, board.lengths));
  return merged;
}

bool has_seed_groups(const Board& board) {
  for (const std::vector<const Row*>& group : seed_groups(board))
    if (group.size() > 1) return true;
  return false;
}

}  // namespace longhaul
