// A benchmark: samples by (index, length), what to ask a model for each, and how to score what came back.
// Tasks register themselves, one family a file in eval/tasks. Length is an argument, never part of a task's name.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/registry.h"
#include "base/spec.h"
#include "data/shards.h"

namespace longhaul {

// Asks for ln p(tokens[i + 1] | tokens[0..i]) for every i in [score_from, n) of n + 1 tokens: score_from 0 is the
// harness's rolling log-likelihood, context - 1 its loglikelihood(context, continuation).
struct Loglikelihood {
  std::vector<int64_t> tokens;
  int64_t score_from = 0;
};
// What a model can be asked. Only responders look inside (std::visit); the runner passes it on.
using Request = std::variant<Loglikelihood>;

// What came back, in memory; a task decides which of it is worth storing.
struct Answer {
  std::vector<double> log_prob;  // of each scored target, nats
};

// Tokens of one sample by origin. Nothing is truncated unless a benchmark's own protocol says so, and then it is
// counted.
struct TokenLedger {
  int64_t chat_template = 0, prompt = 0, truncated = 0, generated = 0;
};

struct Sample {
  Request request;
  Json what;       // which sample this is, for people and tables: a window of the data, a seed
  Json reference;  // what scoring needs beside the reply: reference answers, bytes of text
  TokenLedger ledger;
};

class Task {
 public:
  virtual ~Task() = default;
  virtual Json identity()
      const = 0;                   // canonical spec, data hash, split, settings: all that decides sample(index, length)
  virtual Json about() const = 0;  // for people: names, sizes, what was rounded
  virtual int64_t samples(
      int64_t length) const = 0;  // how many this run asks for; sample() itself is unbounded below it
  virtual Sample sample(int64_t index, int64_t length) const = 0;  // depends on nothing but its arguments
  virtual Json stored_reply(const Sample& sample, const Answer& answer) const = 0;  // everything a score may need later
};

// What a task is made from, beside its spec.
struct TaskContext {
  const Dataset* data = nullptr;
  std::string split = "val";
  std::vector<int64_t> lengths;  // all lengths of the run, ascending: some protocols score the same tokens at each
  int64_t tokens = 0;            // targets to score at each length; 0: as many as the split has
};

struct TaskFamily {
  std::function<std::unique_ptr<Task>(Spec&, const TaskContext&)> make;
  // Scores are never stored: this is run on the journal's `reference` and `reply`, by name, without the task's data.
  std::function<Json(const Json& reference, const Json& reply)> score;
};
Registry<TaskFamily>& Tasks();
// Parses "perplexity:protocol=block", makes, and calls spec.finish().
std::unique_ptr<Task> make_task(const std::string& spec, const TaskContext& context);

}  // namespace longhaul
