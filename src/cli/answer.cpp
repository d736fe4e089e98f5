// `longhaul answer`: lm-evaluation-harness' requests from standard input, a JSON object a line, to answers on standard
// output.
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>

#include "base/json.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/model_flags.h"
#include "engine/requests.h"
#include "engine/text_sample.h"
#include "io/hub_folder.h"
#include "models/end_tokens.h"

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

struct Named {
  std::string where, kind;
  TextRequest request;
};

Named read_request(const std::string& line, const std::string& where, int64_t window) {
  const Json json = parse_json(line, where);
  JsonReader reader(json, where);
  Named named{where, reader.string("kind"), {}};
  if (named.kind == "loglikelihood") {
    named.request = LoglikelihoodRequest{reader.string("context"), reader.string("continuation")};
  } else if (named.kind == "rolling") {
    named.request = RollingRequest{reader.string("text"), window};
  } else if (named.kind == "generate") {
    named.request = read_generate(reader);
  } else {
    reader.refuse("kind", "loglikelihood, rolling or generate");
  }
  reader.finish();
  return named;
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
  void end(size_t number, const Json& json) {
    lines_[number - shown_] = json_text(json, "answer") + "\n";
    for (; !lines_.empty() && lines_.front(); lines_.pop_front(), ++shown_)
      std::fwrite(lines_.front()->data(), 1, lines_.front()->size(), stdout);
    std::fflush(stdout);
  }
  // There is none: the error is the answer.
  void refuse(size_t number, const Named& named, const std::string& why) {
    if (++refused_ == 1) first_refused_ = str(named.where, ": ", why);
    end(number, {{"kind", named.kind}, {"error", why}});
  }
  size_t waiting() const { return lines_.size(); }
  size_t shown() const { return shown_; }
  size_t refused() const { return refused_; }
  const std::string& first_refused() const { return first_refused_; }

 private:
  std::deque<std::optional<std::string>> lines_;
  size_t shown_ = 0, refused_ = 0;
  std::string first_refused_;
};

// As many texts of that length as are asked for, or what half of the free memory holds, but one at least.
int64_t room_for(const Model& model, int64_t context, int64_t batch, CacheType cache) {
  const auto half = static_cast<double>(available_memory()) / 2;
  const auto affordable = static_cast<int64_t>(half / static_cast<double>(Engine::page_bytes(model, cache)));
  const int64_t each = Engine::pages_for(context);
  return std::max(each, std::min(affordable, batch * each)) * kPageRows;
}

// The next line of the input, answering while there is none: who asks may wait for an answer before asking on. (Lines that were read
// ahead are known to in_avail() only where C++ reads for itself.)
bool read_line(Requests& requests, std::string& line) {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  while (std::cin.rdbuf()->in_avail() <= 0 && ::poll(&input, 1, 0) == 0 && requests.step()) {
  }
  return static_cast<bool>(std::getline(std::cin, line));
}

// Error for a line that is no request.
void add_request(const std::string& line, const std::string& where, int64_t window, Requests& requests,
                 Answers& answers) {
  Named named = read_request(line, where, window);
  const TextRequest request = std::move(named.request);
  const size_t place = answers.begin();
  try {
    requests.add(request, [&answers, named, place](const TextAnswer& answer) {
      if (answer.error.empty())
        answers.end(place, json_of(named.kind, answer));
      else
        answers.refuse(place, named, answer.error);
    });
  } catch (const Error& error) {
    answers.refuse(place, named, error.what());
  }
}

void answer_all(Requests& requests, int64_t window) {
  Answers answers;
  std::string line;
  const auto begun = std::chrono::steady_clock::now();
  std::optional<Error> mistake;  // it ends the reading; what came before it is answered
  for (int64_t number = 1; !mistake && read_line(requests, line); ++number) {
    if (trim(line).empty()) continue;
    try {
      add_request(line, str("line ", number), window, requests, answers);
    } catch (const Error& error) {
      mistake = error;
    }
    while (answers.waiting() > kAhead && requests.step()) {
    }
  }
  while (requests.step()) {
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  const size_t refused = answers.refused();
  const auto answered = static_cast<int64_t>(answers.shown() - refused);
  if (answered > 0 || (!mistake && refused == 0))
    log_info(with_commas(answered), " requests answered, ", with_commas(requests.tokens_read()), " tokens read in ",
             human_duration(seconds));
  if (mistake) throw Error(*mistake);
  if (refused > 1) fail(answers.first_refused(), " (the first of ", refused, " requests that have no answer)");
  if (refused > 0) fail(answers.first_refused());
}

int run(const AnswerFlags& flags) {
  std::ios::sync_with_stdio(false);
  const auto model = flags.load();
  const auto tokenizer = flags.load_tokenizer();
  SchedulerOptions options;
  options.texts = flags.batch;
  options.chunk = flags.chunk();
  check(options.texts >= 1 && options.texts <= (1 << 20), "--batch: wanted 1 to ", 1 << 20, ", got ", options.texts);
  const int64_t context =
      flags.context.empty() ? model->info().trained_length : parse_length(flags.context, "--context");
  const int64_t window = flags.window.empty() ? context : parse_length(flags.window, "--window");
  check(context >= 1 && context <= kMostTokens, "--context: wanted 1 to ", with_commas(kMostTokens), ", got ", context);
  check(window >= 1 && window <= context, "--window: wanted 1 to ", context, " (--context), got ", window);
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
