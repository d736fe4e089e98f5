// What was said in a chat, and the file that keeps it.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace longhaul {

class Conversation {
 public:
  std::string system;  // "": none is sent, and a format's own stays

  void ask(std::string text);     // a question; Error when the last one has no answer
  void answer(std::string text);  // to the last question; Error when there is none
  // Drops the last question and its answer, if it has one; returns the question, or nothing when there is none.
  std::optional<std::string> undo();
  void reset() { said_.clear(); }  // the system text stays
  bool empty() const { return said_.empty(); }
  bool is_answered() const { return said_.size() % 2 == 0; }
  const std::vector<std::string>& said() const { return said_; }  // questions and answers, in turn

  // [{"role": "system" | "user" | "assistant", "content"}, ...]: what a chat template takes.
  Json messages() const;

  // FastChat's form: {"template_name", "system_message", "roles": [user, assistant], "messages": [[role, text], ...],
  // "offset"}. Read as such with any two roles, and as {"messages": [{"role", "content"}, ...]}. Errors name the file and the
  // place. A name without a dot gets ".json".
  void save(const std::string& path, const std::string& format) const;
  static Conversation load(const std::string& path);
  static std::string file_for(const std::string& path);

 private:
  void add(const std::string& role, const std::string& user_role, const std::string& assistant_role, std::string text,
           const std::string& where);
  std::vector<std::string> said_;
};

}  // namespace longhaul
