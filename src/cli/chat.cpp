// `longhaul chat DIR`: a conversation with a model, in a terminal or through pipes.
#include <cstdio>
#include <memory>

#include "base/log.h"
#include "cli/chat_commands.h"
#include "cli/command.h"
#include "cli/model_flags.h"
#include "cli/sampler_flags.h"
#include "cli/terminal.h"
#include "cli/token_flag.h"
#include "io/hub_folder.h"

namespace longhaul {

namespace {

struct ChatFlags : SessionFlags {
  std::string style, system, context, max_tokens = "512";
  GenerateOptions generate;
  bool no_cache = false;
};

std::string rate(int64_t tokens, double seconds) {
  char shown[32];
  std::snprintf(shown, sizeof shown, "%.1f tok/s", seconds > 0 ? static_cast<double>(tokens) / seconds : 0);
  return shown;
}

class ChatLoop {
 public:
  ChatLoop(Chat& chat, std::string format) : chat_(chat), format_(std::move(format)), lines_("> ") {}

  // The exit code: in a pipe a mistake shows in it, and with --json as an object in the answer's place.
  int run() {
    int code = 0;
    if (lines_.is_terminal()) print_text("/help lists the commands, Ctrl-D leaves.\n");
    while (std::optional<std::string> line = lines_.read()) {
      if (trim(*line).empty()) continue;
      const Conversation before = chat_.conversation;
      ChatStep step = ChatStep::kAnswer;
      try {
        step = take(*line);
      } catch (const Error& error) {
        // One mistake, or a text that is too long, does not end a conversation; an output that is gone does.
        if (std::ferror(stdout)) throw;
        std::fprintf(stderr, "longhaul: %s\n", error.what());
        if (common_flags().json) print_text(json_text({{"kind", "error"}, {"message", error.what()}}, "chat") + "\n");
        if (!lines_.is_terminal()) code = kMistake;
      }
      if (step == ChatStep::kLeave) return code;
      // Stopped before it began, or an error: as it was, with the old answer of a question that was asked again.
      if (step == ChatStep::kAnswer && !chat_.conversation.is_answered()) chat_.conversation = before;
    }
    if (lines_.is_terminal()) print_text("\n");
    return code;
  }

 private:
  ChatStep take(const std::string& line) {
    if (is_chat_command(line)) {
      const ChatStep step = run_chat_command(chat_, format_, line);
      if (step == ChatStep::kAnswer) answer();
      return step;
    }
    chat_.conversation.ask(line.starts_with("//") ? line.substr(1) : line);
    answer();
    return ChatStep::kAnswer;
  }

  void answer() {
    const bool json = common_flags().json;
    const InterruptGuard guard;
    const Clock::time_point begun = Clock::now();
    Chat::Answer answer;
    {
      std::optional<StatusLine> status;
      if (lines_.is_terminal() && !json) status.emplace();
      answer = chat_.reply(
          [&](std::string_view piece, int64_t tokens) {
            if (!json) print_text(piece);
            const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
            if (status && status->is_due()) status->show(str(tokens, " tokens, ", rate(tokens, seconds)));
          },
          [&] { return guard.received(); });
    }
    print_text((json ? json_text(json_of(answer), "chat") : "") + "\n");
    const int64_t used = answer.prompt + answer.tokens;
    log_info(answer.finish == "interrupted" ? "stopped; " : "", with_commas(answer.tokens), " tokens, ",
             rate(answer.decoded, answer.decode_seconds), "; read ", with_commas(answer.prompt - answer.reused), " of ",
             with_commas(answer.prompt), "; ", with_commas(used), " of ", with_commas(chat_.context()),
             " tokens of context");
  }

  static Json json_of(const Chat::Answer& answer) {
    return {{"kind", "answer"},
            {"text", answer.text},
            {"finish", answer.finish},
            {"prompt_tokens", answer.prompt},
            {"reused_tokens", answer.reused},
            {"tokens", answer.tokens},
            {"prompt_seconds", answer.prompt_seconds},
            {"decode_seconds", answer.decode_seconds}};
  }

  using Clock = std::chrono::steady_clock;
  Chat& chat_;
  std::string format_;
  LineReader lines_;
};

ChatOptions options_of(const ChatFlags& flags, const Model& model, const Tokenizer& tokenizer, const ChatStyle& style) {
  const ModelInfo& info = model.info();
  ChatOptions options{flags.generate};
  options.generate.seed = common_flags().seed;
  options.generate.max_tokens = parse_tokens(flags.max_tokens, "--max-tokens");
  options.generate.sampler.validate(shared_vocabulary(model, tokenizer, "chat"));
  options.generate.stops.insert(options.generate.stops.end(), style.stops.begin(), style.stops.end());
  options.generate.ends = chat_end_tokens(model_folder(flags.model), tokenizer);
  options.context = flags.context.empty() ? info.trained_length : parse_tokens(flags.context, "--context");
  options.chunk = flags.chunk();
  options.cache = !flags.no_cache;
  options.cache_type = flags.cache();
  return options;
}

int run(const ChatFlags& flags) {
  const ChatStyle style = chat_style(model_folder(flags.model), flags.style);
  const auto [model, tokenizer] = flags.load_both();
  ChatOptions options = options_of(flags, *model, *tokenizer, style);
  Chat chat(*model, *tokenizer, style.chat_template, std::move(options));
  if (common_flags().dry_run) {
    log_info("would chat with ", flags.model, " by the format of ", style.name, " in ", with_commas(chat.context()),
             " tokens of context");
    return 0;
  }
  chat.conversation.system = flags.system;
  return ChatLoop(chat, style.name).run();
}

std::function<int()> set_up(CLI::App& app) {
  auto flags = std::make_shared<ChatFlags>();
  SamplerOptions& sampler = flags->generate.sampler;
  sampler.temperature = 0.7, sampler.top_k = 50, sampler.top_p = 0.9;
  add_session_flags(app, *flags, "model");
  add_no_cache(app, flags->no_cache);
  app.add_option("--template", flags->style,
                 "a format (`longhaul list chat-formats`), or the file of a Jinja template");
  app.add_option("--system", flags->system, "system text");
  app.add_option("--context", flags->context, "tokens of the conversation at most (default: the length trained at)")
      ->check(not_empty());
  app.add_option("--max-tokens", flags->max_tokens, "tokens of an answer at most")->capture_default_str();
  add_sampler_flags(app, sampler);
  app.add_option("--stop", flags->generate.stops, "text that ends an answer and is no part of it; repeatable")
      ->allow_extra_args(false);
  return [flags] { return run(*flags); };
}

}  // namespace

LH_REGISTER(Commands, "chat", "talks with a model: streaming, with history, in a terminal or through pipes", set_up);

}  // namespace longhaul
