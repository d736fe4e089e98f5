#include "report/finding.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/strings.h"
#include "report/table.h"

namespace longhaul {

namespace {

constexpr double kHolds = 1.02, kDrifts = 1.25;
constexpr size_t kMostNames = 3;  // more are counted, not named

// False for a row with fewer than two lengths.
bool compare(const Row& row, RowFinding& finding) {
  const CellResult *from = row.at(row.trained_length), *to = nullptr;
  for (const auto& [length, cell] : row.cells) {
    if (!row.at(length)) continue;
    if (!from) from = &cell;
    to = &cell;
  }
  if (!to || to->length <= from->length) return false;
  finding = {row.name,       row.position, from->length, to->length, from->perplexity().mean, to->perplexity().mean,
             Verdict::breaks};
  if (finding.ratio() <= kDrifts) finding.verdict = finding.ratio() <= kHolds ? Verdict::holds : Verdict::drifts;
  return true;
}

// "a", "a and b", "a, b and c", "5 models"
std::string listed(const std::vector<std::string>& names) {
  if (names.size() > kMostNames) return str(names.size(), " models");
  if (names.size() == 1) return names.front();
  return join({names.begin(), names.end() - 1}, ", ") + " and " + names.back();
}

std::string headline(const std::vector<RowFinding>& rows, const std::vector<int64_t>& trained) {
  std::vector<std::string> clauses;
  for (Verdict verdict : {Verdict::holds, Verdict::drifts, Verdict::breaks}) {
    std::vector<std::string> names;
    for (const RowFinding& row : rows)
      if (row.verdict == verdict) names.push_back(row.name);
    std::string word = verdict_word(verdict);
    if (names.size() > 1) word.pop_back();  // they hold
    if (!names.empty()) clauses.push_back(listed(names) + " " + word);
  }
  int64_t to = rows.front().to;
  bool alike = std::all_of(rows.begin(), rows.end(), [&](const RowFinding& row) { return row.to == to; });
  std::string where = alike ? "At " + format_length(to) + " tokens" : "At their longest lengths";
  if (alike && trained.size() == 1 && to > trained.front()) {
    double times = static_cast<double>(to) / static_cast<double>(trained.front());
    where += str(", ", times, " times the trained length");
  }
  std::string last = clauses.back();
  clauses.pop_back();
  return where + ", " + (clauses.empty() ? last : join(clauses, ", ") + ", and " + last);
}

std::string detail(const RowFinding& row) {
  std::string text = row.name + ": perplexity " + figure(row.before) + " at " + format_length(row.from) + ", " +
                     figure(row.after) + " at " + format_length(row.to);
  if (!std::isfinite(row.ratio())) return text;
  if (row.ratio() >= 2) return text + " (" + figure(row.ratio()) + " times)";
  double percent = 100 * (row.ratio() - 1);
  char change[32];
  std::snprintf(change, sizeof change, " (%+.1f %%)", percent);
  return text + change;
}

}  // namespace

const char* verdict_word(Verdict verdict) {
  return verdict == Verdict::holds ? "holds" : verdict == Verdict::drifts ? "drifts" : "breaks";
}

Finding finding_of(const Board& board) {
  Finding finding;
  for (const Row& row : board.rows) {
    RowFinding one;
    if (compare(row, one)) finding.rows.push_back(one);
  }
  if (finding.rows.empty()) {
    finding.headline = "Perplexity of " + str(board.rows.size(), board.rows.size() == 1 ? " model" : " models");
    return finding;
  }
  finding.headline = headline(finding.rows, board.trained_lengths());
  for (const RowFinding& row : finding.rows) finding.details.push_back(detail(row));
  return finding;
}

}  // namespace longhaul
