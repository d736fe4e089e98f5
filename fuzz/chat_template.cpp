// Bytes as a chat template: refused, or a text of bounded size within bounded work, or an error that says where, twice the same.
#include "text/chat_template.h"

#include "fuzz/fuzz.h"

using namespace longhaul;

namespace {

const Json& messages() {
  static const Json list = parse_json(
      R"([{"role":"system","content":"Be \"nice\" & <kind>\n"},{"role":"user","content":" Köln?  "},
          {"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":{"a":[1,2.5,true]}}}]},
          {"role":"tool","content":["x",{"y":{}}]}])",
      "messages");
  return list;
}

std::string outcome(const ChatTemplate& chat) {
  const jinja::RenderOptions options{[] { return std::tm{}; }, {.steps = 20'000, .bytes = 1 << 20}};
  try {
    std::string text = chat.render(messages(), true, {{"tools", {{{"name", "f"}}}}}, options);
    promise(text.size() <= 1 << 20, "the text keeps to its limit");
    return text;
  } catch (const jinja::TemplateError& error) {
    promise(error.at.line >= 1 && error.at.column >= 1, "an error has a place");
    return error.what();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz_text(data, size, [](std::string_view text) {
    const ChatTemplate chat(text, "fuzz", {{"bos_token", "<s>"}});
    promise(outcome(chat) == outcome(chat), "the same conversation gives the same text");
  });
}
