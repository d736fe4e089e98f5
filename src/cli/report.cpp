// `longhaul report`: runs' journals and training logs as tables, plots, and one HTML page.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/files.h"
#include "base/log.h"
#include "cli/command.h"
#include "eval/runner.h"
#include "journal/journal.h"
#include "report/chart.h"
#include "report/export.h"
#include "report/page.h"

namespace longhaul {

namespace {

struct ReportFlags {
  std::vector<std::string> folders;
  std::string html, markdown, csv, json, plot, position_plot, training_plot;
  bool merge = false;
};

// What one folder holds: a journal of its own or in eval/, and a training log. False when it holds none of them.
bool add_folder(const std::string& folder, std::vector<Json>& records, std::vector<TrainingLog>& logs) {
  bool found = false;
  for (const std::string& journal : {folder, path_join(folder, "eval")}) {
    if (!Journal::is_journal(journal)) continue;
    std::vector<Json> scored = read_scored(journal);
    records.insert(records.end(), scored.begin(), scored.end());
    found = true;
  }
  TrainingLog log;
  if (read_training_log(folder, log)) {
    logs.push_back(log);
    found = true;
  }
  return found;
}

// Each folder, or else the folders in it.
ReportContent gather(const ReportFlags& flags) {
  std::vector<Json> records;
  ReportContent content;
  for (const std::string& folder : flags.folders) {
    check(is_folder(folder), folder, ": no such folder");
    bool found = add_folder(folder, records, content.training);
    if (!found) {
      std::vector<std::string> inner;
      for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.is_directory()) inner.push_back(entry.path().string());
      std::sort(inner.begin(), inner.end());
      for (const std::string& each : inner) found |= add_folder(each, records, content.training);
    }
    check(found, folder, ": wanted a run folder (log.jsonl, eval/) or a journal (segment-*.jsonl), found neither");
  }
  content.results = collect_results(records);
  if (flags.merge)
    for (Board& board : content.results.boards) board = merge_seeds(board);
  content.command = command_line();
  return content;
}

const Board& first_board(const ReportContent& content, const std::string& path) {
  check(!content.results.boards.empty(), path,
        ": nothing to plot: the folders hold no perplexities (`longhaul ppl` makes them)");
  return content.results.boards.front();
}

void write_text(const std::string& path, const std::string& text) {
  if (path.empty()) return;
  write_file(path, text);
  log_info("wrote ", path);
}

void write_plots(const ReportFlags& flags, const ReportContent& content) {
  if (!flags.plot.empty()) plot_file(perplexity_chart(first_board(content, flags.plot)), flags.plot);
  if (!flags.position_plot.empty()) {
    const Board& board = first_board(content, flags.position_plot);
    plot_file(position_chart(board, board.lengths.back()), flags.position_plot);
  }
  if (!flags.training_plot.empty()) plot_file(training_chart(content.training), flags.training_plot);
  for (const std::string& path : {flags.plot, flags.position_plot, flags.training_plot})
    if (!path.empty()) log_info("wrote ", path);
}

int run(const ReportFlags& flags) {
  if (common_flags().dry_run) {
    for (const std::string& path :
         {flags.html, flags.markdown, flags.csv, flags.json, flags.plot, flags.position_plot, flags.training_plot})
      if (!path.empty()) std::printf("would write %s\n", path.c_str());
    return 0;
  }
  ReportContent content = gather(flags);
  std::string markdown = results_markdown(content), json = results_json(content).dump(2) + "\n";
  write_text(flags.html, flags.html.empty() ? "" : render_page(content));
  write_text(flags.markdown, markdown);
  write_text(flags.csv, results_csv(content.results));
  write_text(flags.json, json);
  write_plots(flags, content);
  std::fputs(common_flags().json ? json.c_str() : markdown.c_str(), stdout);
  return 0;
}

LH_REGISTER(Commands, "report", "tables, plots and one HTML page from runs' journals and training logs",
            [](CLI::App& app) {
              auto flags = std::make_shared<ReportFlags>();
              app.add_option("runs", flags->folders, "run folders, journals, or folders of them")->required();
              app.add_option("--html", flags->html, "one self-contained page");
              app.add_option("--markdown", flags->markdown, "the tables, as printed");
              app.add_option("--csv", flags->csv, "one line for each model and length");
              app.add_option("--json-out", flags->json, "result objects with the evaluation harness's keys");
              app.add_option("--plot", flags->plot, "perplexity by length: .png, .svg or .pdf (needs gnuplot)");
              app.add_option("--plot-position", flags->position_plot, "loss by position in the longest windows");
              app.add_option("--plot-training", flags->training_plot, "training curves");
              app.add_flag("--seeds", flags->merge,
                           "runs that differ only in their seed are one row, with errors over seeds");
              add_dry_run_flag(app);
              return [flags] { return run(*flags); };
            });

}  // namespace

}  // namespace longhaul
