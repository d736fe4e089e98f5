#include "report/export.h"

#include <cmath>

#include "base/error.h"
#include "base/strings.h"
#include "report/finding.h"
#include "report/table.h"

namespace longhaul {

namespace {

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

std::string csv_number(double value) { return std::isfinite(value) ? Json(value).dump() : ""; }

std::string csv_line(const Board& board, const Row& row, const CellResult& cell) {
  Estimate perplexity = cell.perplexity();
  std::vector<std::string> fields{row.path, row.position, row.method, row.seed, board.task};
  for (int64_t count : {cell.length, row.trained_length, static_cast<int64_t>(cell.windows.size()), cell.wanted})
    fields.push_back(str(count));
  for (double value :
       {cell.tokens, cell.loss.mean, cell.loss.error, perplexity.mean, perplexity.error, cell.bits_per_byte.mean,
        cell.bits_per_byte.error, cell.tokens / cell.seconds, cell.peak_rss_bytes, cell.skip_rate})
    fields.push_back(csv_number(value));
  fields.push_back(cell.reason);
  for (std::string& field : fields) field = csv_field(field);
  return join(fields, ",") + "\n";
}

std::string task_name(const Board& board, int64_t length) {
  std::string name = "perplexity_" + board.protocol() + "_" + str(length);
  for (char& c : name)
    if (c == '=') c = '_';
  return name;
}

Json model_json(const Board& board, const Row& row) {
  Json results = Json::object(), configs = Json::object(), samples = Json::object();
  for (const auto& [length, cell] : row.cells) {
    std::string name = task_name(board, length);
    configs[name] = {{"task", board.task},
                     {"length", length},
                     {"dataset_path", board.data.value("folder", "")},
                     {"test_split", board.data.value("split", "")}};
    samples[name] = {{"original", cell.wanted}, {"effective", cell.windows.size()}};
    if (!cell.reason.empty()) configs[name]["reason"] = cell.reason;
    if (cell.windows.empty()) continue;
    Estimate perplexity = cell.perplexity();
    results[name] = {{"alias", name},
                     {"perplexity,none", perplexity.mean},
                     {"perplexity_stderr,none", perplexity.error},
                     {"loss,none", cell.loss.mean},
                     {"loss_stderr,none", cell.loss.error},
                     {"bits_per_byte,none", cell.bits_per_byte.mean},
                     {"bits_per_byte_stderr,none", cell.bits_per_byte.error}};
  }
  Json config{{"model", "longhaul"},
              {"model_args", row.path},
              {"label", row.label},
              {"position", row.position},
              {"method", row.method},
              {"trained_length", row.trained_length},
              {"model_num_parameters", row.parameters},
              {"seed", row.seed}};
  return {{"name", row.name}, {"results", results}, {"configs", configs}, {"n-samples", samples}, {"config", config}};
}

Json differences_json(const Board& board) {
  Json all = Json::array();
  for (size_t i = 1; i < board.rows.size(); ++i)
    for (int64_t length : board.lengths) {
      const CellResult *cell = board.rows[i].at(length), *base = board.rows[0].at(length);
      if (!cell || !base) continue;
      Estimate difference = paired_difference(*cell, *base);
      all.push_back({{"model", board.rows[i].path},
                     {"method", board.rows[i].method},
                     {"base", board.rows[0].path},
                     {"base_method", board.rows[0].method},
                     {"length", length},
                     {"windows", difference.count},
                     {"loss_difference", difference.mean},
                     {"stderr", difference.error},
                     {"t", difference.t()}});
    }
  return all;
}

std::string board_markdown(const Board& board) {
  Finding finding = finding_of(board);
  std::string out = "## " + finding.headline + "\n\n" + "Protocol " + board.protocol() + ", split " +
                    board.data.value("split", "") + " of " + board.data.value("folder", "");
  int64_t targets = board.data.value("targets", int64_t{0});
  if (targets > 0) out += ", the same " + with_commas(targets) + " targets at every length";
  out += ".\n\n";
  for (const std::string& detail : finding.details) out += "- " + detail + "\n";
  out += "\n" + markdown_table(perplexity_table(board));
  if (has_seed_groups(board)) out += "\n" + markdown_table(perplexity_table(merge_seeds(board)));
  out += "\n" + markdown_table(bits_table(board));
  Table differences = difference_table(board);
  if (!differences.rows.empty()) out += "\n" + markdown_table(differences);
  return out + "\n" + markdown_table(cost_table(board));
}

}  // namespace

std::string results_csv(const Results& results) {
  std::string out =
      "model,position,method,seed,task,length,trained_length,windows,wanted,tokens,loss,loss_se,perplexity,perplexity_"
      "se,bits_per_byte,"
      "bits_per_byte_se,tok_per_s,peak_rss_bytes,skip_rate,reason\n";
  for (const Board& board : results.boards)
    for (const Row& row : board.rows)
      for (const auto& [length, cell] : row.cells) out += csv_line(board, row, cell);
  return out;
}

Json results_json(const ReportContent& content) {
  Json boards = Json::array(), training = Json::array();
  for (const Board& board : content.results.boards) {
    Json models = Json::array();
    for (const Row& row : board.rows) models.push_back(model_json(board, row));
    boards.push_back({{"task", board.task},
                      {"data", board.data},
                      {"settings", board.settings},
                      {"models", models},
                      {"paired_differences", differences_json(board)}});
  }
  for (const TrainingLog& log : content.training)
    training.push_back({{"run", log.name}, {"steps", log.steps()}, {"tok_per_s", log.tokens_per_second}});
  return {{"boards", boards}, {"training", training}, {"runs", content.results.runs}};
}

std::string results_markdown(const ReportContent& content) {
  std::string out = "# Perplexity by length\n";
  for (const Board& board : content.results.boards) out += "\n" + board_markdown(board);
  if (!content.training.empty()) out += "\n" + markdown_table(training_table(content.training));
  return out;
}

}  // namespace longhaul
