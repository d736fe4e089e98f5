#include "eval/runner.h"

#include <unistd.h>

#include <chrono>
#include <map>
#include <memory>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/progress.h"
#include "base/strings.h"
#include "journal/journal.h"

namespace longhaul {

namespace {

std::string key_of(const Json& identity) { return hash_hex(identity.dump()); }

struct Cell {
  int64_t length = 0, samples = 0;
  Json identity;
  std::string key;
  std::vector<std::string> sample_keys;  // [samples]
  int64_t missing = 0;
};

// One subject's cells while they run. Subjects that share a folder share its journal, so that no key is written twice.
class SubjectRun {
 public:
  SubjectRun(const Subject& subject, const Task& task, const std::vector<int64_t>& lengths,
             const RunnerOptions& options, Journal& journal)
      : subject_(subject), task_(task), options_(options), journal_(journal) {
    for (int64_t length : lengths) cells_.push_back(make_cell(length));
  }

  int64_t missing_tokens() const {
    int64_t tokens = 0;
    for (const Cell& cell : cells_) tokens += cell.missing * cell.length;
    return tokens;
  }

  void list_cells(RunnerOutcome& outcome) const {
    for (const Cell& cell : cells_) {
      outcome.wanted += cell.samples;
      outcome.reused += cell.samples - cell.missing;
      outcome.cells.push_back(cell.key);
    }
  }

  // Returns false when it was stopped.
  bool run(Progress& progress, RunnerOutcome& outcome) {
    journal_.append(run_record());
    for (const Cell& cell : cells_)
      if (!run_cell(cell, progress, outcome)) return false;
    return true;
  }

 private:
  Cell make_cell(int64_t length) const {
    Cell cell{length, task_.samples(length), {}, {}, {}, 0};
    cell.identity = {{"model", subject_.identity}, {"method", subject_.method},     {"task", task_.identity()},
                     {"length", length},           {"settings", subject_.settings}, {"build", build_json()},
                     {"repeat", options_.repeat}};
    cell.key = key_of(cell.identity);
    for (int64_t i = 0; i < cell.samples; ++i) {
      cell.sample_keys.push_back(key_of({{"cell", cell.key}, {"index", i}}));
      cell.missing += !journal_.has(cell.sample_keys.back());
    }
    return cell;
  }

  Json run_record() {
    Json wanted = Json::object();
    for (const Cell& cell : cells_) wanted[cell.key] = cell.samples;
    Json record{{"kind", "run"},         {"started", utc_now()},      {"command", options_.command},
                {"build", build_json()}, {"machine", machine_json()}, {"process", getpid()},
                {"cells", wanted}};
    run_key_ = key_of(record);
    Json keyed{{"key", run_key_}};
    keyed.update(record);
    return keyed;
  }

  const Responder& responder() {
    if (!responder_) responder_ = subject_.load();
    return *responder_;
  }

  // Writes the cell's own line the first time it is met. Returns false when the model refuses the length.
  bool introduce(const Cell& cell) {
    if (!journal_.has(cell.key)) {
      Json record{{"key", cell.key}, {"kind", "cell"}};
      record.update(cell.identity);
      record["model"]["name"] = subject_.name;
      record["model"].update(subject_.run);
      record["model"].update(responder().about());
      record["task"].update(task_.about());
      std::string reason = responder().refusal(cell.length);
      if (!reason.empty()) record["reason"] = reason;
      journal_.append(record);
    }
    if (cell.missing == 0) return true;
    std::string reason = responder().refusal(cell.length);
    if (!reason.empty()) log_warning(subject_.name, " at ", format_length(cell.length), ": ", reason);
    return reason.empty();
  }

  bool run_cell(const Cell& cell, Progress& progress, RunnerOutcome& outcome) {
    if (!introduce(cell)) {
      outcome.wanted -= cell.missing;
      progress.add(cell.missing * cell.length);
      return true;
    }
    if (cell.missing == 0) return true;
    progress.note(subject_.name + " at " + format_length(cell.length));
    int64_t batch = std::max<int64_t>(1, responder().batch(cell.length));
    for (int64_t first = 0; first < cell.samples; first += batch) {
      if (options_.stop()) return false;
      int64_t answered = answer_batch(cell, first, std::min(first + batch, cell.samples));
      outcome.answered += answered;
      progress.add(answered * cell.length);
    }
    return true;
  }

  // Samples [first, last) of the cell, all of them unless none is missing. Returns how many were new.
  int64_t answer_batch(const Cell& cell, int64_t first, int64_t last) {
    int64_t missing = 0;
    for (int64_t i = first; i < last; ++i) missing += !journal_.has(cell.sample_keys[i]);
    if (missing == 0) return 0;
    std::vector<Sample> samples;
    std::vector<Request> requests;
    for (int64_t i = first; i < last; ++i) {
      samples.push_back(task_.sample(i, cell.length));
      requests.push_back(std::move(samples.back().request));
    }
    auto start = std::chrono::steady_clock::now();
    Answers answers = responder().answer(requests);
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    check(answers.each.size() == requests.size(), "runner: wanted ", requests.size(), " answers, found ",
          answers.each.size());
    Json cost = cost_of(answers.cost, samples, seconds);
    std::vector<Json> records;
    for (int64_t i = first; i < last; ++i) {
      Sample& sample = samples[i - first];
      sample.request = std::move(requests[i - first]);
      if (!journal_.has(cell.sample_keys[i]))
        records.push_back(sample_record(cell, i, sample, answers.each[i - first], cost));
    }
    journal_.append_all(records);
    return missing;
  }

  // A batch is timed as a whole; each of its samples carries an equal share of the seconds.
  static Json cost_of(const Json& own, const std::vector<Sample>& samples, double seconds) {
    int64_t tokens = 0;
    for (const Sample& sample : samples) tokens += sample.ledger.prompt + sample.ledger.generated;
    Json cost{{"batch", samples.size()},
              {"seconds", seconds / static_cast<double>(samples.size())},
              {"tok_per_s", static_cast<double>(tokens) / seconds},
              {"peak_rss_bytes", peak_resident_bytes()}};
    cost.update(own);
    return cost;
  }

  Json sample_record(const Cell& cell, int64_t index, const Sample& sample, const Answer& answer,
                     const Json& cost) const {
    return {{"key", cell.sample_keys[index]},
            {"kind", "sample"},
            {"cell", cell.key},
            {"run", run_key_},
            {"index", index},
            {"sample", sample.what},
            {"ledger",
             {{"template", sample.ledger.chat_template},
              {"prompt", sample.ledger.prompt},
              {"truncated", sample.ledger.truncated},
              {"generated", sample.ledger.generated}}},
            {"reference", sample.reference},
            {"reply", task_.stored_reply(sample, answer)},
            {"cost", cost}};
  }

  const Subject& subject_;
  const Task& task_;
  const RunnerOptions& options_;
  Journal& journal_;
  std::vector<Cell> cells_;
  std::string run_key_;
  std::unique_ptr<Responder> responder_;
};

// Cells are told apart by what decides their answers, not by their names.
void check_distinct(const std::vector<Subject>& subjects) {
  std::map<std::string, std::string> names;
  for (const Subject& subject : subjects) {
    Json same{subject.journal, subject.identity, subject.method, subject.settings};
    auto [first, is_new] = names.emplace(same.dump(), subject.name);
    check(is_new, first->second, " and ", subject.name, " hold the same weights: the journal ", subject.journal,
          " cannot tell them apart");
  }
}

}  // namespace

RunnerOutcome run_cells(const std::vector<Subject>& subjects, const Task& task, const std::vector<int64_t>& lengths,
                        const RunnerOptions& options) {
  check_distinct(subjects);
  std::map<std::string, Journal> journals;
  std::vector<std::unique_ptr<SubjectRun>> runs;
  int64_t tokens = 0;
  for (const Subject& subject : subjects) {
    auto at = journals.find(subject.journal);
    if (at == journals.end()) at = journals.emplace(subject.journal, Journal::open(subject.journal)).first;
    runs.push_back(std::make_unique<SubjectRun>(subject, task, lengths, options, at->second));
    tokens += runs.back()->missing_tokens();
  }
  RunnerOutcome outcome;
  for (const std::unique_ptr<SubjectRun>& run : runs) run->list_cells(outcome);
  Progress progress("eval", tokens, "tokens");
  try {
    for (std::unique_ptr<SubjectRun>& run : runs) {
      if (!run->run(progress, outcome)) {
        outcome.stopped = true;
        break;
      }
      run.reset();  // one model in memory at a time
    }
  } catch (...) {  // the samples so far are worth showing
    outcome.failure = std::current_exception();
  }
  progress.finish();
  return outcome;
}

std::vector<Json> read_scored(const std::string& folder) {
  std::vector<Json> records = Journal::read(folder);
  std::map<std::string, std::string> families;  // cell key -> task family
  for (const Json& record : records)
    if (record.at("kind") == "cell") {
      std::string spec = record.at("task").at("spec");
      families[record.at("key")] = Spec::parse(spec).name();
    }
  for (Json& record : records)
    if (record.at("kind") == "sample") {
      auto family = families.find(record.at("cell"));
      check(family != families.end(), folder, ": sample ", record.at("key").dump(),
            " names a cell that the journal lacks");
      record["score"] = Tasks().find(family->second).make.score(record.at("reference"), record.at("reply"));
    }
  return records;
}

}  // namespace longhaul
