// `longhaul ppl`: perplexity by length of one or more models, on the same
// windows, into journals that resume.
#include <algorithm>
#include <cstdio>
#include <set>

#include "base/log.h"
#include "cli/command.h"
#include "cli/model_flags.h"
#include "cli/token_flag.h"
#include "eval/protocol.h"
#include "eval/runner.h"
#include "methods/method.h"
#include "report/export.h"
#include "report/table.h"
#include "train/run_tokenizer.h"
#include "train/stop_signal.h"

namespace longhaul {

namespace {

struct PplFlags {
  std::string models, weight_dtype, data, lengths, protocol = "block", tokens, chunk, split = "val", journal, tokenizer;
  bool merge = false;
  std::vector<std::string> overrides, methods = {"none"};
};

std::vector<std::string> model_folders(const std::string& text) {
  std::vector<std::string> folders = split(text, ',');
  for (std::string& folder : folders) {
    while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
    check(!folder.empty(), "--model: wanted run folders by comma, found '", text, "'");
    check(std::count(folders.begin(), folders.end(), folder) == 1, "--model: '", folder, "' is named twice");
  }
  check(!folders.empty(), "--model: wanted at least one run folder, found none");
  return folders;
}

// In canonical spelling.
std::vector<std::string> methods_of(const PplFlags& flags) {
  std::vector<std::string> methods;
  for (const std::string& text : flags.methods) {
    methods.push_back(canonical_method(text));
    check(std::count(methods.begin(), methods.end(), methods.back()) == 1, "--method: '", text, "' is named twice");
  }
  return methods;
}

std::vector<Subject> subjects_of(const PplFlags& flags, const Dataset& data) {
  ModelSubjectOptions options;
  options.dtype = common_flags().dtype;
  options.weight_dtype = flags.weight_dtype;
  options.device = common_flags().device;
  options.chunk = flags.chunk.empty() ? 0 : parse_tokens(flags.chunk, "--chunk");
  options.vocab = data.vocab_size_without_added();
  options.journal = flags.journal;
  options.overrides = flags.overrides;
  const auto for_each = [&](const auto& action) {
    for (const std::string& folder : model_folders(flags.models))
      for (const std::string& method : methods_of(flags)) {
        options.method = method;
        action(folder);
      }
  };
  // What the last model cannot do is found before the first one runs.
  for_each([&](const std::string& folder) { check_model_subject(folder, options); });
  std::vector<Subject> subjects;
  for_each([&](const std::string& folder) { subjects.push_back(model_subject(folder, options)); });
  return subjects;
}

// What this run asked for, and nothing else that its journals may hold; models
// in the order they were named.
ReportContent results_of(const std::vector<Subject>& subjects, const std::vector<std::string>& cell_keys) {
  std::set<std::string> wanted(cell_keys.begin(), cell_keys.end()), journals;
  std::vector<Json> records;
  for (const Subject& subject : subjects) {
    if (!journals.insert(subject.journal).second) continue;
    for (Json& record : read_scored(subject.journal)) {
      std::string cell =
          record.at("kind") == "run" ? "" : record.at(record.at("kind") == "cell" ? "key" : "cell").get<std::string>();
      if (cell.empty() || wanted.count(cell)) records.push_back(std::move(record));
    }
  }
  ReportContent content{collect_results(records), {}, command_line()};
  auto place = [&](const Row& row) {
    size_t at = 0;
    while (at < subjects.size() && (subjects[at].name != row.path || subjects[at].method != row.method)) ++at;
    return at;
  };
  for (Board& board : content.results.boards)
    std::stable_sort(board.rows.begin(), board.rows.end(),
                     [&](const Row& a, const Row& b) { return place(a) < place(b); });
  return content;
}

void print_board(const Board& board) {
  std::printf("\n%s\n", text_table(perplexity_table(board)).c_str());
  if (has_seed_groups(board)) std::printf("%s\n", text_table(perplexity_table(merge_seeds(board))).c_str());
  std::printf("%s\n", text_table(bits_table(board)).c_str());
  Table differences = difference_table(board);
  if (!differences.rows.empty()) std::printf("%s\n", text_table(differences).c_str());
  std::printf("%s", text_table(cost_table(board)).c_str());
}

bool has_windows(const Results& results) {
  for (const Board& board : results.boards)
    for (const Row& row : board.rows)
      for (const auto& [length, cell] : row.cells)
        if (!cell.windows.empty()) return true;
  return false;
}

void show(ReportContent content, bool merge) {
  if (merge)
    for (Board& board : content.results.boards) board = merge_seeds(board);
  if (common_flags().json)
    std::printf("%s\n", results_json(content).dump(2).c_str());
  else
    for (const Board& board : content.results.boards) print_board(board);
}

std::string plan_line(const Task& task, const PplFlags& flags, const std::vector<int64_t>& lengths) {
  std::vector<std::string> windows;
  for (int64_t length : lengths) windows.push_back(with_commas(task.samples(length)) + " at " + format_length(length));
  int64_t targets = task.about().at("targets");
  return "protocol " + flags.protocol + " on " + flags.data + ":" + flags.split + ", " +
         (targets ? "the same " + with_commas(targets) + " targets at every length" : "other targets at each length") +
         "; windows: " + join(windows, ", ");
}

int run(const PplFlags& flags) {
  std::vector<int64_t> lengths = parse_lengths(flags.lengths, "--lengths");
  std::sort(lengths.begin(), lengths.end());
  lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
  Dataset data = Dataset::open(flags.data, flags.tokenizer);
  const int64_t tokens = flags.tokens.empty() ? 0 : parse_tokens(flags.tokens, "--tokens", kMostTargets);
  TaskContext context{&data, flags.split, lengths, tokens};
  std::unique_ptr<Task> task = make_task("perplexity:" + protocol_keys(flags.protocol), context);
  for (const std::string& folder : model_folders(flags.models))
    check_run_tokenizer(folder, flags.data, data.tokenizer_hash());
  std::vector<Subject> subjects = subjects_of(flags, data);
  log_info(plan_line(*task, flags, lengths));
  if (common_flags().dry_run) return 0;

  StopSignals signals;
  RunnerOptions options;
  options.command = command_line();
  options.stop = [&] { return !signals.received().empty(); };
  RunnerOutcome outcome = run_cells(subjects, *task, lengths, options);
  if (outcome.stopped)
    signals.stop(str(outcome.reused + outcome.answered, " of ", outcome.wanted,
                     " windows are in the journal; the same command goes on from there"));
  const ReportContent content = results_of(subjects, outcome.cells);
  if (!outcome.failure || has_windows(content.results)) show(content, flags.merge);
  if (outcome.failure) std::rethrow_exception(outcome.failure);
  return 0;
}

LH_REGISTER(
    Commands, "ppl",
    "perplexity by length under a named protocol, with errors and paired "
    "differences",
    [](CLI::App& app) {
      auto flags = std::make_shared<PplFlags>();
      app.add_option("--model", flags->models, "model directories or ids of cached hub models, by comma")->required();
      add_overrides(app, flags->overrides);
      app.add_option("--method", flags->methods, str(kMethodHelp, "; repeatable: a row for each"))
          ->allow_extra_args(false)
          ->capture_default_str();
      add_device_flag(app);
      add_dtype_flag(app);
      add_dry_run_flag(app);
      add_weight_dtype(app, flags->weight_dtype);
      app.add_option("--data", flags->data, "packed data set, or a folder of bare .npy or .bin shards")->required();
      app.add_option("--tokenizer", flags->tokenizer, "of bare shards, which do not say it; bits per byte need it");
      app.add_option("--lengths", flags->lengths, "window lengths in tokens: 512,1k,2k")->required();
      app.add_option("--protocol", flags->protocol, "block, stride=S, last-k=K or upstream")->capture_default_str();
      app.add_option("--tokens", flags->tokens,
                     "targets to score at each length, rounded down as the "
                     "protocol needs (default: the whole split)");
      app.add_option("--split", flags->split, "split of the data set")->capture_default_str();
      app.add_option("--out", flags->journal,
                     "journal folder for all models (default: each model's "
                     "own, MODEL/eval)");
      app.add_option("--chunk", flags->chunk,
                     "tokens that a layer takes at a time (default: 4k for "
                     "windows above 8k)")
          ->check(not_empty());
      app.add_flag("--seeds", flags->merge,
                   "runs that differ only in their seed are one row, with "
                   "errors over seeds");
      return [flags] { return run(*flags); };
    });

}  // namespace

}  // namespace longhaul
