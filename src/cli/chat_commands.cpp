#include "cli/chat_commands.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/token_flag.h"

namespace longhaul {

namespace {

struct Context {
  Chat& chat;
  const std::string& format;
  std::string argument;  // what stands behind the command
};

struct Command {
  std::vector<std::string> names;  // the first is shown
  const char* argument;
  const char* summary;
  ChatStep (*run)(Context&);
};
const std::vector<Command>& commands();

void say(const std::string& line) {
  print_text((common_flags().json ? json_text({{"kind", "note"}, {"text", line}}, "chat") : line) + "\n");
}

void show(const Conversation& conversation) {
  if (!conversation.system.empty()) say("[" + conversation.system + "]");
  for (size_t i = 0; i < conversation.said().size(); ++i) say((i % 2 == 0 ? "> " : "") + conversation.said()[i]);
}

ChatStep help(Context&) {
  for (const Command& command : commands()) {
    const std::string usage = str("/", command.names.front(), " ", command.argument);
    say("  " + usage + std::string(usage.size() < 24 ? 24 - usage.size() : 0, ' ') + " " + command.summary);
  }
  say("  A line that ends in a backslash goes on in the next; // begins a text with a slash; Ctrl-C stops an answer.");
  return ChatStep::kAsk;
}

ChatStep leave(Context&) { return ChatStep::kLeave; }

ChatStep reset(Context& context) {
  context.chat.conversation.reset();
  say("(a new conversation)");
  return ChatStep::kAsk;
}

ChatStep undo(Context& context) {
  check(context.chat.conversation.undo().has_value(), "there is nothing to take back");
  show(context.chat.conversation);
  return ChatStep::kAsk;
}

ChatStep regenerate(Context& context) {
  const std::optional<std::string> question = context.chat.conversation.undo();
  check(question.has_value(), "there is nothing to answer again");
  context.chat.conversation.ask(*question);
  return ChatStep::kAnswer;
}

ChatStep system_text(Context& context) {
  context.chat.conversation.system = context.argument;
  say(context.argument.empty() ? "(no system text)" : "(the system text is set)");
  return ChatStep::kAsk;
}

ChatStep save(Context& context) {
  check(!context.argument.empty(), "usage: /save FILE");
  context.chat.conversation.save(context.argument, context.format);
  say("(saved in " + Conversation::file_for(context.argument) + ")");
  return ChatStep::kAsk;
}

ChatStep load(Context& context) {
  check(!context.argument.empty(), "usage: /load FILE");
  context.chat.conversation = Conversation::load(context.argument);
  show(context.chat.conversation);
  return ChatStep::kAsk;
}

// A setting by name, as the flag of that name takes it.
struct Setting {
  std::string name;
  std::function<std::string(const GenerateOptions&)> shown;
  std::function<void(GenerateOptions&, const std::string&)> set;
};

const std::vector<Setting>& settings() {
  using Options = GenerateOptions;
  auto number = [](const char* name, double SamplerOptions::*field) {
    return Setting{name, [field](const Options& options) { return str(options.sampler.*field); },
                   [field, name](Options& options, const std::string& value) {
                     options.sampler.*field = parse_number(value, name);
                   }};
  };
  static const std::vector<Setting> all = {
      number("temperature", &SamplerOptions::temperature),
      {"top-k", [](const Options& options) { return str(options.sampler.top_k); },
       [](Options& options, const std::string& value) { options.sampler.top_k = parse_integer(value, "top-k"); }},
      number("top-p", &SamplerOptions::top_p),
      number("min-p", &SamplerOptions::min_p),
      number("repetition-penalty", &SamplerOptions::repetition_penalty),
      number("presence-penalty", &SamplerOptions::presence_penalty),
      number("frequency-penalty", &SamplerOptions::frequency_penalty),
      {"max-tokens", [](const Options& options) { return str(options.max_tokens); },
       [](Options& options, const std::string& value) { options.max_tokens = parse_tokens(value, "max-tokens"); }},
      {"seed", [](const Options& options) { return str(options.seed); },
       [](Options& options, const std::string& value) {
         const int64_t seed = parse_integer(value, "seed");
         check(seed >= 0, "seed: wanted an integer >= 0, got ", seed);
         options.seed = static_cast<uint64_t>(seed);
       }},
  };
  return all;
}

void change_setting(GenerateOptions& options, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  check(equals != std::string::npos, "/params: wanted name=value, got '", assignment, "'");
  std::string name = assignment.substr(0, equals);
  std::replace(name.begin(), name.end(), '_', '-');
  std::vector<std::string> names;
  for (const Setting& setting : settings()) {
    if (setting.name == name) return setting.set(options, assignment.substr(equals + 1));
    names.push_back(setting.name);
  }
  fail("/params: unknown setting '", name, "'", did_you_mean(name, names));
}

ChatStep params(Context& context) {
  GenerateOptions changed = context.chat.generate();
  for (const std::string& assignment : split(context.argument, ' '))
    if (!assignment.empty()) change_setting(changed, assignment);
  changed.sampler.validate();
  context.chat.generate() = changed;
  std::string line;
  for (const Setting& setting : settings()) line += setting.name + "=" + setting.shown(changed) + " ";
  say(line + "context=" + format_length(context.chat.context()));
  return ChatStep::kAsk;
}

const std::vector<Command>& commands() {
  static const std::vector<Command> all = {
      {{"help"}, "", "this list", help},
      {{"exit", "quit"}, "", "ends the chat, as Ctrl-D does", leave},
      {{"reset"}, "", "begins a new conversation; the system text stays", reset},
      {{"undo", "remove"}, "", "takes the last question and its answer back", undo},
      {{"regen"}, "", "answers the last question again", regenerate},
      {{"system"}, "[TEXT]", "sets the system text, or takes it away", system_text},
      {{"params"}, "[NAME=VALUE ...]", "shows and sets how answers are drawn", params},
      {{"save"}, "FILE", "writes the conversation as JSON", save},
      {{"load"}, "FILE", "goes on with a conversation that was saved", load},
  };
  return all;
}

}  // namespace

bool is_chat_command(const std::string& line) {
  return line.starts_with("!!") || (line.starts_with("/") && !line.starts_with("//"));
}

ChatStep run_chat_command(Chat& chat, const std::string& format, const std::string& line) {
  const std::string_view rest = std::string_view(line).substr(line.starts_with("!!") ? 2 : 1);
  const size_t space = std::min(rest.find_first_of(" \t\n"), rest.size());
  const std::string name(rest.substr(0, space));
  Context context{chat, format, std::string(trim(rest.substr(space)))};
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    const auto& known = command.names;
    names.insert(names.end(), known.begin(), known.end());
    if (std::find(known.begin(), known.end(), name) == known.end()) continue;
    check(*command.argument != '\0' || context.argument.empty(), "/", name, " takes nothing, got '", context.argument,
          "'");
    return command.run(context);
  }
  fail("unknown command '/", name, "'", did_you_mean(name, names), "; /help lists them");
}

}  // namespace longhaul
