#include "text/chat_template.h"

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"

namespace longhaul {

namespace {

constexpr const char* kDefault = "default";
constexpr const char* kToolUse = "tool_use";

// "<s>" or {"content": "<s>", ...}; nothing for what is no token (null, a flag).
std::optional<std::string> spelling(const Json& token) {
  if (token.is_string()) return token.get<std::string>();
  if (token.is_object() && token.contains("content") && token["content"].is_string())
    return token["content"].get<std::string>();
  return std::nullopt;
}

Json read_if_there(const std::string& path) {
  if (!exists(path)) return Json::object();
  Json json = read_json(path);
  check(json.is_object(), path, ": wanted an object");
  return json;
}

// [{"name": "default", "template": "..."}, ...]
std::map<std::string, std::string> named_sources(const Json& list, const std::string& where) {
  std::map<std::string, std::string> sources;
  for (size_t i = 0; i < list.size(); ++i) {
    JsonReader entry(list[i], str(where, "[", i, "]"));
    const std::string name = entry.string("name");
    check(sources.emplace(name, entry.string("template")).second, where, ": two templates named '", name, "'");
  }
  return sources;
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view source, const std::string& where, Json special_tokens)
    : ChatTemplate(std::map<std::string, std::string>{{kDefault, std::string(source)}}, where,
                   std::move(special_tokens)) {}

ChatTemplate::ChatTemplate(const std::map<std::string, std::string>& sources, const std::string& where,
                           Json special_tokens)
    : where_(where), special_tokens_(std::move(special_tokens)) {
  check(!sources.empty(), where, ": wanted at least one template, found none");
  for (const auto& [name, source] : sources)
    templates_.emplace(name, jinja::Template(source, sources.size() == 1 ? where : str(where, ": ", name)));
}

std::vector<std::string> ChatTemplate::names() const {
  std::vector<std::string> names;
  for (const auto& [name, source] : templates_) names.push_back(name);
  return names;
}

const jinja::Template& ChatTemplate::chosen(const Json& variables) const {
  const bool with_tools = variables.contains("tools") && !variables["tools"].is_null();
  if (with_tools && templates_.contains(kToolUse)) return templates_.at(kToolUse);
  auto found = templates_.find(kDefault);
  check(found != templates_.end(), where_, ": wanted a template named '", kDefault, "', found ", join(names(), ", "));
  return found->second;
}

std::string ChatTemplate::render(const Json& messages, bool add_generation_prompt, const Json& variables,
                                 const jinja::RenderOptions& options) const {
  check(variables.is_object(), where_, ": wanted an object of variables");
  Json all = special_tokens_;
  all["messages"] = messages;
  all["tools"] = nullptr;
  all["documents"] = nullptr;
  all["add_generation_prompt"] = add_generation_prompt;
  for (const auto& [name, value] : variables.items()) all[name] = value;
  return chosen(variables).render(all, options);
}

Json read_special_tokens(const std::string& folder) {
  Json tokens = Json::object();
  for (const char* file : {"special_tokens_map.json", "tokenizer_config.json"}) {
    const Json config = read_if_there(path_join(folder, file));
    for (const auto& [key, value] : config.items())
      if (std::optional<std::string> token = spelling(value); token && key.ends_with("_token")) tokens[key] = *token;
  }
  return tokens;
}

std::optional<ChatTemplate> read_chat_template(const std::string& folder) {
  const std::string file = path_join(folder, "chat_template.jinja");
  if (exists(file)) return ChatTemplate(read_file(file), file, read_special_tokens(folder));
  const std::string path = path_join(folder, "tokenizer_config.json"), where = path + ": chat_template";
  const Json config = read_if_there(path);
  if (!config.contains("chat_template") || config["chat_template"].is_null()) return std::nullopt;
  const Json& source = config["chat_template"];
  if (source.is_string()) return ChatTemplate(source.get<std::string>(), where, read_special_tokens(folder));
  check(source.is_array(), where, ": wanted a string or a list of templates");
  return ChatTemplate(named_sources(source, where), where, read_special_tokens(folder));
}

}  // namespace longhaul
