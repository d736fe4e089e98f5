// `longhaul answer`: lm-evaluation-harness' requests from standard input, a JSON object a line, to answers on standard
// output.
#include <chrono>
#include <memory>
#include <optional>

#include "base/json.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/input_lines.h"
#include "cli/model_flags.h"
#include "cli/terminal.h"
#include "cli/token_flag.h"
#include "engine/requests.h"
#include "io/hub_folder.h"
#include "models/end_tokens.h"
#include "text/utf8.h"

namespace longhaul {

namespace {

constexpr size_t kAhead = 1024;  // requests that are known before they are answered: some share contexts

struct AnswerFlags : SessionFlags {
  std::string context, window;
  int64_t batch = 16;
};

GenerateRequest read_generate(JsonReader& json) {
  GenerateRequest request;
  request.context = json.string("context");
  if (json.is_set("stops")) request.stops = json.strings("stops");
  request.max_tokens = json.integer_or("max_tokens", request.max_tokens, INT64_MIN);
  SamplerOptions& sampler = request.sampler;
  sampler.temperature = json.number_or("temperature", sampler.temperature);
  sampler.top_k = json.integer_or("top_k", sampler.top_k, INT64_MIN);
  sampler.top_p = json.number_or("top_p", sampler.top_p);
  sampler.min_p = json.number_or("min_p", sampler.min_p);
  sampler.repetition_penalty = json.number_or("repetition_penalty", sampler.repetition_penalty);
  sampler.presence_penalty = json.number_or("presence_penalty", sampler.presence_penalty);
  sampler.frequency_penalty = json.number_or("frequency_penalty", sampler.frequency_penalty);
  request.seed = json.integer_or("seed", static_cast<int64_t>(common_flags().seed), INT64_MIN);
  return request;
}

TextRequest read_request(JsonReader& reader, const std::string& kind, int64_t window) {
  if (kind == "loglikelihood") return LoglikelihoodRequest{reader.string("context"), reader.string("continuation")};
  if (kind == "rolling") return RollingRequest{reader.string("text"), window};
  if (kind == "generate") return read_generate(reader);
  reader.refuse("kind", "loglikelihood, rolling or generate");
}

Json json_of(const std::string& kind, const TextAnswer& answer) {
  if (kind == "generate")
    return {{"kind", kind}, {"text", answer.text}, {"finish", answer.finish}, {"tokens", answer.tokens}};
  Json json = {{"kind", kind}, {"log_prob", answer.log_prob}, {"tokens", answer.tokens}};
  if (kind == "loglikelihood") json["greedy"] = answer.greedy;
  return json;
}

// Answers in the order of their requests: one that is ready waits for those before it.
class Answers {
 public:
  size_t begin() {
    lines_.emplace_back();
    return lines_.size() - 1 + shown_;
  }
  void end(size_t number, const Json& json) { lines_[number - shown_] = json_text(json, "answer") + "\n"; }
  // There is none: the error is the answer, with the kind of a request that has one.
  void refuse(size_t number, const std::string& kind, const std::string& why) {
    ++refused_;
    if (number < first_refused_) first_refused_ = number, first_why_ = why;
    Json json = kind.empty() ? Json::object() : Json{{"kind", kind}};
    json["error"] = to_utf8(why);  // it may quote the line
    end(number, json);
  }
  // Prints those that are ready. Error when that cannot be: no fault of a request, so that this is not called while one is read.
  void show() {
    for (; !lines_.empty() && lines_.front(); lines_.pop_front(), ++shown_) print_text(*lines_.front());
  }
  size_t waiting() const { return lines_.size(); }
  size_t shown() const { return shown_; }
  size_t refused() const { return refused_; }
  const std::string& first_why() const { return first_why_; }  // of the refused one that came first

 private:
  std::deque<std::optional<std::string>> lines_;
  size_t shown_ = 0, refused_ = 0, first_refused_ = SIZE_MAX;
  std::string first_why_;
};

// As many texts of that length as are asked for, or what half of the free memory holds, but one at least.
int64_t room_for(const Model& model, int64_t context, int64_t batch, CacheType cache) {
  const auto half = static_cast<double>(available_memory()) / 2;
  const auto affordable = static_cast<int64_t>(half / static_cast<double>(Engine::page_bytes(model, cache)));
  const int64_t each = Engine::pages_for(context);
  return std::max(each, std::min(affordable, batch * each)) * kPageRows;
}

// Error, with the line's number, for a request that cannot be answered.
void queue(Requests& requests, const TextRequest& request, const std::string& where,
           const Requests::OnAnswer& on_answer) {
  try {
    requests.add(request, on_answer);
  } catch (const Error& error) {
    fail(where, ": ", error.what());
  }
}

// Every line gets its answer, in its turn; also one that is no request.
void add_request(const std::string& line, const std::string& where, int64_t window, Requests& requests,
                 Answers& answers) {
  const size_t place = answers.begin();
  std::string kind;
  try {
    const Json json = parse_json(line, where);
    JsonReader reader(json, where);
    kind = reader.string("kind");
    const TextRequest request = read_request(reader, kind, window);
    reader.finish();
    queue(requests, request, where, [&answers, place, kind, where](const TextAnswer& answer) {
      if (answer.error.empty())
        answers.end(place, json_of(kind, answer));
      else
        answers.refuse(place, kind, str(where, ": ", answer.error));
    });
  } catch (const Error& error) {
    answers.refuse(place, kind, error.what());
  }
}

void answer_all(Requests& requests, int64_t window) {
  Answers answers;
  InputLines input;
  const auto begun = std::chrono::steady_clock::now();
  const auto step = [&] {  // who asks may wait for an answer before asking on
    const bool more = requests.step();
    answers.show();
    return more;
  };
  int64_t number = 1;
  for (std::optional<std::string> line; (line = input.next(step)); ++number) {
    if (!trim(*line).empty()) add_request(*line, str("line ", number), window, requests, answers);
    answers.show();
    while (answers.waiting() > kAhead && step()) {
    }
  }
  while (step()) {
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  const size_t refused = answers.refused();
  const auto answered = static_cast<int64_t>(answers.shown() - refused);
  if (answered > 0 || refused == 0)
    log_info(with_commas(answered), answered == 1 ? " request answered, " : " requests answered, ",
             with_commas(requests.tokens_read()), " tokens read in ", human_duration(seconds));
  input.check_whole();
  if (refused > 1) fail(answers.first_why(), " (the first of ", refused, " requests that have no answer)");
  if (refused > 0) fail(answers.first_why());
}

int run(const AnswerFlags& flags) {
  SchedulerOptions options;
  options.texts = flags.batch;
  options.chunk = flags.chunk();
  check(options.texts >= 1 && options.texts <= (1 << 20), "--batch: wanted 1 to ", 1 << 20, ", got ", options.texts);
  const auto [model, tokenizer] = flags.load_both();
  const int64_t context =
      flags.context.empty() ? model->info().trained_length : parse_tokens(flags.context, "--context");
  const int64_t window = flags.window.empty() ? context : parse_tokens(flags.window, "--window", context);
  options.longest = context;
  const CacheType cache = flags.cache();
  const int64_t room = room_for(*model, context, options.texts, cache);
  Engine engine(*model, {.tokens = room, .chunk = options.chunk, .cache = cache});
  Requests requests(engine, *tokenizer, options, end_tokens(model_folder(flags.model)));
  if (common_flags().dry_run) {
    log_info("would answer up to ", options.texts, " requests at a time; cache of ", with_commas(room), " tokens, ",
             human_bytes(static_cast<double>(room / kPageRows * Engine::page_bytes(*model, cache))));
    return 0;
  }
  answer_all(requests, window);
  return 0;
}

std::function<int()> set_up(CLI::App& app) {
  auto flags = std::make_shared<AnswerFlags>();
  add_session_flags(app, *flags, "--model");
  app.add_option("--context", flags->context, "tokens of the longest text (default: the length trained at)")
      ->check(not_empty());
  app.add_option("--window", flags->window, "tokens that a rolling text is read in at most (default: --context)")
      ->check(not_empty());
  app.add_option("--batch", flags->batch, "texts that are answered at a time, at most")->capture_default_str();
  return [flags] { return run(*flags); };
}

}  // namespace

LH_REGISTER(Commands, "answer", "log-likelihoods and continuations of many texts at a time: lm-eval's requests",
            set_up);

}  // namespace longhaul
