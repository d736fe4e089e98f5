// `longhaul generate`: continues a prompt with a trained model, as it is written.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "base/files.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/input_lines.h"
#include "cli/model_flags.h"
#include "cli/sampler_flags.h"
#include "cli/terminal.h"
#include "cli/token_flag.h"
#include "engine/generate.h"
#include "io/hub_folder.h"
#include "models/end_tokens.h"

namespace longhaul {

namespace {

constexpr int64_t kMostSamples = 1 << 20;  // products of sizes stay far below 2^63

struct GenerateFlags : SessionFlags {
  std::string prompt, prompt_file, max_tokens = "256";
  GenerateOptions options;
  bool no_cache = false;
};

std::string prompt_text(const GenerateFlags& flags) {
  if (flags.prompt_file.empty()) return flags.prompt;
  if (flags.prompt_file != "-") return read_file(flags.prompt_file);
  return InputLines().rest();
}

std::vector<int64_t> prompt_tokens(const GenerateFlags& flags, const Tokenizer& tokenizer) {
  std::vector<int64_t> tokens = tokenizer.before_text();
  tokenizer.encode(prompt_text(flags), tokens);
  // A document begins behind an end-of-text token: with nothing before it, one begins.
  if (tokens.empty() && tokenizer.end_of_text() >= 0) tokens.push_back(tokenizer.end_of_text());
  check(!tokens.empty(), "generate: the prompt is empty, and the tokenizer has no token for the beginning of a text");
  return tokens;
}

// All that can be known to fail fails here, before any work.
void check_fits(const Model& model, const Tokenizer& tokenizer, int64_t prompt, const GenerateOptions& options) {
  const ModelInfo& info = model.info();
  const int64_t longest = info.traits.longest, positions = prompt + options.max_tokens - 1;
  options.sampler.validate(shared_vocabulary(model, tokenizer, "generate"));
  check(longest == 0 || prompt <= longest, "generate: the prompt has ", with_commas(prompt), " tokens, encoding '",
        info.position, "' ends at ", with_commas(longest));
  check(longest == 0 || positions <= longest, "generate: a prompt of ", with_commas(prompt),
        " tokens and --max-tokens ", options.max_tokens, " need ", with_commas(positions), " positions, encoding '",
        info.position, "' ends at ", with_commas(longest), "; --max-tokens ", longest - prompt + 1, " would do");
}

// Shows the samples in their order: one as it comes, while those behind it wait. JSON: a line as each ends.
class Printer {
 public:
  Printer(int64_t samples, bool json) : turns_(static_cast<size_t>(samples)), json_(json) {}
  void add(int64_t number, std::string_view text, const GeneratedText::Sample& sample) {
    turns_[static_cast<size_t>(number)].waiting += text;
    if (!sample.finish.empty()) turns_[static_cast<size_t>(number)].ended = sample;
    for (; current_ < turns_.size(); ++current_) {
      show(turns_[current_]);
      if (!turns_[current_].ended) return;
    }
  }

 private:
  struct Turn {
    bool begun = false;
    std::string waiting;  // text that is not shown yet
    std::optional<GeneratedText::Sample> ended;
  };
  void show(Turn& turn) const {
    if (json_) {
      if (turn.ended) print_text(json_text(json_of(*turn.ended), "generate") + "\n");
      return;
    }
    if (!turn.begun && turns_.size() > 1) print_text(str("--- sample ", current_ + 1, " of ", turns_.size(), "\n"));
    turn.begun = true;
    print_text(turn.waiting);
    turn.waiting.clear();
    if (turn.ended) print_text("\n");
  }
  Json json_of(const GeneratedText::Sample& sample) const {
    return {{"kind", "sample"},
            {"sample", current_ + 1},
            {"text", sample.text},
            {"finish", sample.finish},
            {"tokens", sample.tokens}};
  }
  std::vector<Turn> turns_;
  size_t current_ = 0;
  bool json_;
};

struct Figures {
  int64_t prompt, generated, cache_bytes;
  double prompt_rate, decode_rate;  // tokens per second; 0: nothing was decoded
};

Figures figures_of(const GeneratedTokens& tokens, int64_t prompt, int64_t cache_bytes) {
  Figures figures{prompt, 0, cache_bytes, static_cast<double>(prompt) / tokens.prompt_seconds, 0};
  for (const auto& sample : tokens.samples) figures.generated += static_cast<int64_t>(sample.size());
  if (tokens.decoded > 0) figures.decode_rate = static_cast<double>(tokens.decoded) / tokens.decode_seconds;
  return figures;
}

void print_json(const GenerateFlags& flags, const Figures& figures) {
  const Json json = {{"kind", "figures"},
                     {"model", flags.model},
                     {"dtype", common_flags().dtype},
                     {"weight_dtype", flags.weights()},
                     {"seed", flags.options.seed},
                     {"prompt_tokens", figures.prompt},
                     {"tokens", figures.generated},
                     {"prompt_tokens_per_second", figures.prompt_rate},
                     {"decode_tokens_per_second", figures.decode_rate},
                     {"kv_cache_dtype", flags.cache_name()},
                     {"cache_bytes", figures.cache_bytes}};
  std::printf("%s\n", json_text(json, "generate").c_str());
}

void log_figures(const Figures& figures, bool cached) {
  char rates[96];
  std::snprintf(rates, sizeof rates, "%.1f tok/s, %.1f tok/s", figures.prompt_rate, figures.decode_rate);
  log_info("prompt ", with_commas(figures.prompt), " tokens, ", with_commas(figures.generated), " generated: ", rates,
           cached ? "; cache " + human_bytes(static_cast<double>(figures.cache_bytes)) : "; no cache");
}

int run(GenerateFlags& flags) {
  GenerateOptions& options = flags.options;
  options.seed = common_flags().seed;
  options.max_tokens = parse_tokens(flags.max_tokens, "--max-tokens");
  check(options.samples >= 1 && options.samples <= kMostSamples, "--samples: wanted 1 to ", with_commas(kMostSamples),
        ", got ", options.samples);
  check(options.samples <= kMostTokens / options.max_tokens, "--samples: wanted at most ", with_commas(kMostTokens),
        " tokens in all, got ", options.samples, " times ", with_commas(options.max_tokens));
  options.sampler.validate();
  options.ends = end_tokens(model_folder(flags.model));
  options.continues = true;
  const int64_t chunk = flags.chunk();
  const auto [model, tokenizer] = flags.load_both();
  const std::vector<int64_t> prompt = prompt_tokens(flags, *tokenizer);
  const auto length = static_cast<int64_t>(prompt.size());
  check_fits(*model, *tokenizer, length, options);
  check(flags.no_cache || model->info().traits.grows(), "generate: encoding '", model->info().position,
        "' cannot go on from kept keys and values (", model->info().traits.note,
        "); --no-cache reads the whole text again for every token");
  const EngineOptions room{.tokens = CachedLogits::room(*model, length, options.max_tokens - 1, options.samples),
                           .chunk = chunk,
                           .cache = flags.cache()};
  const int64_t cache_bytes = flags.no_cache ? 0 : room.tokens / kPageRows * Engine::page_bytes(*model, room.cache);
  if (common_flags().dry_run) {
    log_info("would continue ", with_commas(length), " tokens by up to ", with_commas(options.max_tokens), " in ",
             options.samples, " samples; cache ", human_bytes(static_cast<double>(cache_bytes)));
    return 0;
  }
  std::unique_ptr<Engine> engine = flags.no_cache ? nullptr : std::make_unique<Engine>(*model, room);
  std::unique_ptr<LogitSource> source;
  const int64_t request = length + options.max_tokens - 1;
  if (engine)
    source = std::make_unique<CachedLogits>(*engine, request);
  else
    source = std::make_unique<RecomputedLogits>(*model, request);
  Printer printer(options.samples, common_flags().json);
  const GeneratedText result = generate_text(
      *source, *tokenizer, prompt, options,
      [&](int64_t number, std::string_view text, const auto& sample) { printer.add(number, text, sample); });
  const Figures figures = figures_of(result.tokens, length, cache_bytes);
  if (common_flags().json) print_json(flags, figures);
  log_figures(figures, engine != nullptr);
  return 0;
}

std::function<int()> set_up(CLI::App& app) {
  auto flags = std::make_shared<GenerateFlags>();
  SamplerOptions& sampler = flags->options.sampler;
  sampler.temperature = 0.8, sampler.top_k = 50;
  add_session_flags(app, *flags, "--model");
  add_no_cache(app, flags->no_cache);
  auto* prompt = app.add_option("--prompt", flags->prompt, "text to continue (empty: the beginning of a text)");
  app.add_option("--prompt-file", flags->prompt_file, "file that holds it; -: standard input")
      ->excludes(prompt)
      ->check(not_empty());
  app.add_option("--max-tokens", flags->max_tokens, "tokens of a continuation at most")->capture_default_str();
  app.add_option("--samples", flags->options.samples, "continuations of the prompt: decoded together, shown in order")
      ->capture_default_str();
  add_sampler_flags(app, sampler);
  app.add_option("--stop", flags->options.stops, "text that ends a continuation and is no part of it; repeatable")
      ->allow_extra_args(false);
  return [flags] { return run(*flags); };
}

}  // namespace

LH_REGISTER(Commands, "generate", "continues a prompt: sampled or greedy, streaming, several at a time", set_up);

}  // namespace longhaul
