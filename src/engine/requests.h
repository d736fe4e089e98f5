// What lm-evaluation-harness asks of a model, in its three kinds, of texts; answered several at a time at constant
// memory: no tensor has a row for every token and every id.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "text/tokenizer.h"

namespace longhaul {

// ln p(continuation | context), and whether it is what greedy decoding would say. Spaces at the end of the context
// belong to the continuation, as in the harness; an empty context is the beginning of a text.
struct LoglikelihoodRequest {
  std::string context, continuation;
};
// ln p of a whole text, in windows of at most `window` tokens (0: one): each predicts the tokens behind the window
// before it, the first one from the beginning of a text, the last one with as much before them as a window has. Of an empty
// text: 0.
struct RollingRequest {
  std::string text;
  int64_t window = 0;
};
struct GenerateRequest {
  std::string context;
  std::vector<std::string> stops{};
  int64_t max_tokens = 256;
  SamplerOptions sampler{.temperature = 0};
  int64_t seed = 0;  // >= 0
};
using TextRequest = std::variant<LoglikelihoodRequest, RollingRequest, GenerateRequest>;

struct TextAnswer {
  double log_prob = 0;  // nats; of the first two kinds
  bool greedy = true;
  int64_t tokens = 0;        // that were scored or generated
  std::string text, finish;  // of the third, as TextSample
  std::string error;  // why there is no answer: the model's numbers for this text are not finite. "": there is one
};

// Queues requests at a scheduler. Answers come as they are ready, in any order.
class Requests {
 public:
  using OnAnswer = std::function<void(const TextAnswer&)>;
  // `ends`: ids that end a text, beside the tokenizer's own end. Error when the model lacks ids of the tokenizer. Both
  // must live longer.
  Requests(Engine& engine, const Tokenizer& tokenizer, const SchedulerOptions& options, std::vector<int64_t> ends);
  // Error, and nothing is answered, for an empty continuation, a text that the engine has no room for, or flags that cannot
  // be.
  void add(const TextRequest& request, const OnAnswer& on_answer);
  bool step() { return scheduler_.step(); }  // false: every request is answered
  int64_t tokens_read() const { return scheduler_.tokens_read(); }

 private:
  void score(std::vector<int64_t> context, std::vector<int64_t> continuation,
             const std::function<void(const TokenScores&)>& done);
  void queue(const LoglikelihoodRequest& request, const OnAnswer& on_answer);
  void queue(const RollingRequest& request, const OnAnswer& on_answer);
  void queue(const GenerateRequest& request, const OnAnswer& on_answer);
  std::vector<int64_t> beginning() const;  // what stands before every text

  const Tokenizer& tokenizer_;
  std::vector<int64_t> ends_;
  int64_t ids_ = 0;  // that tokenizer and model share
  Scheduler scheduler_;
};

// The ids of a context and of what continues it: those of both together, cut where the context alone would end.
std::pair<std::vector<int64_t>, std::vector<int64_t>> encode_pair(const Tokenizer& tokenizer,
                                                                  const std::string& context,
                                                                  const std::string& continuation);

// A window scores tokens [begin, end) of a text behind those from `first` on; first = -1: behind the beginning of a
// text.
struct RollingWindow {
  int64_t first, begin, end;
};
std::vector<RollingWindow> rolling_windows(int64_t tokens, int64_t window);

}  // namespace longhaul
