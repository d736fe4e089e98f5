// kind chat_template: a template, its special tokens, and conversations with the text or the error that they give.
#include "golden/golden.h"
#include "text/chat_template.h"

namespace longhaul::golden {

namespace {

// The text, or an object with the error.
Json rendered(const ChatTemplate& chat, const Json& one) {
  try {
    return chat.render(one.at("messages"), one.at("add_generation_prompt"), one.value("kwargs", Json::object()));
  } catch (const jinja::TemplateError& error) {
    return {{"error", error.reason}};
  }
}

bool compare_chat_template(const Fixture& fixture, Report& report) {
  Json special = Json::object();
  for (const auto& [key, value] : fixture.info.items())
    if (key.ends_with("_token") && value.is_string()) special[key] = value;
  const ChatTemplate chat(fixture.info.at("template").get<std::string>(), fixture.info.at("name"), special);
  int number = 0;
  for (const Json& one : fixture.info.at("cases")) {
    const Json want = one.contains("expected") ? one["expected"] : Json{{"error", one.at("expected_error")}};
    report.equal("case " + std::to_string(number++), rendered(chat, one), want);
  }
  return true;
}

[[maybe_unused]] const bool claimed = claim("chat_template", compare_chat_template);

}  // namespace

}  // namespace longhaul::golden
