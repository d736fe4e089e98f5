#include "text/conversation.h"

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "text/utf8.h"

namespace longhaul {

namespace {

std::string text_of(const Json& value, const std::string& where) {
  check(value.is_string(), where, ": wanted a text, found ", value.type_name());
  return value.get<std::string>();
}

}  // namespace

void Conversation::ask(std::string text) {
  check(is_answered(), "the last question has no answer yet");
  said_.push_back(to_utf8(text));
}

void Conversation::answer(std::string text) {
  check(!is_answered(), "there is no question to answer");
  said_.push_back(to_utf8(text));
}

std::optional<std::string> Conversation::undo() {
  if (said_.empty()) return std::nullopt;
  if (is_answered()) said_.pop_back();
  std::string question = std::move(said_.back());
  said_.pop_back();
  return question;
}

Json Conversation::messages() const {
  Json messages = Json::array();
  if (!system.empty()) messages.push_back({{"role", "system"}, {"content", system}});
  for (size_t i = 0; i < said_.size(); ++i)
    messages.push_back({{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", said_[i]}});
  return messages;
}

std::string Conversation::file_for(const std::string& path) {
  return file_name(path).find('.') == std::string::npos ? path + ".json" : path;
}

void Conversation::save(const std::string& path, const std::string& format) const {
  Json pairs = Json::array();
  for (size_t i = 0; i < said_.size(); ++i) pairs.push_back(Json::array({i % 2 == 0 ? "user" : "assistant", said_[i]}));
  write_json(file_for(path), {{"template_name", format},
                              {"system_message", system},
                              {"roles", {"user", "assistant"}},
                              {"messages", pairs},
                              {"offset", 0}});
}

void Conversation::add(const std::string& role, const std::string& user_role, const std::string& assistant_role,
                       std::string text, const std::string& where) {
  const bool known = role == user_role || role == assistant_role;
  check(known, where, ": wanted the role '", user_role, "' or '", assistant_role, "', found '", role, "'");
  const bool in_turn = (role == user_role) == is_answered();
  check(in_turn, where, ": wanted questions and answers in turn, found '", role, "' twice");
  said_.push_back(std::move(text));
}

Conversation Conversation::load(const std::string& path) {
  const std::string file = exists(path) ? path : file_for(path);
  check(file == path || exists(file), path, ": cannot read: there is no such file, and no ", file_name(file));
  Json json = read_json(file);
  if (json.is_array()) json = Json::object({{"messages", Json(json)}});
  check(json.is_object() && json.contains("messages") && json["messages"].is_array(), file,
        ": wanted a list of messages, or an object with one");
  Conversation loaded;
  std::string user = "user", assistant = "assistant";
  if (json.contains("system_message")) loaded.system = text_of(json["system_message"], file + ": system_message");
  if (json.contains("roles")) {
    check(json["roles"].is_array() && json["roles"].size() == 2, file, ": roles: wanted two");
    user = text_of(json["roles"][0], file + ": roles"), assistant = text_of(json["roles"][1], file + ": roles");
  }
  for (size_t i = 0; i < json["messages"].size(); ++i) {
    const Json& message = json["messages"][i];
    const std::string where = str(file, ": messages[", i, "]");
    const bool pair = message.is_array() && message.size() == 2;
    check(pair || (message.is_object() && message.contains("role") && message.contains("content")), where,
          ": wanted [role, text], or a role and a content");
    const Json &role = pair ? message[0] : message["role"], &content = pair ? message[1] : message["content"];
    if (content.is_null()) continue;  // an answer that never came
    const std::string name = text_of(role, where);
    if (name == "system" && i == 0)
      loaded.system = text_of(content, where);
    else
      loaded.add(name, user, assistant, text_of(content, where), where);
  }
  if (!loaded.is_answered()) {
    log_warning(file, ": the last question has no answer and is left out");
    loaded.said_.pop_back();
  }
  return loaded;
}

}  // namespace longhaul
