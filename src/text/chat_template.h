// How a conversation is written as one text for a model: the Jinja2 template that comes with its tokenizer, rendered by the
// conventions of Hugging Face's apply_chat_template, or a format by name.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/registry.h"
#include "text/jinja/template.h"

namespace longhaul {

// Immutable; may be rendered on many threads at once. Templates write the special tokens themselves, so that what they give is
// encoded by Tokenizer::encode_with_special, with nothing put around it.
class ChatTemplate {
 public:
  // `special_tokens`: an object such as {"bos_token": "<s>"}, variables of every rendering; one that is not there prints as
  // nothing. `where` names the template in errors.
  ChatTemplate(std::string_view source, const std::string& where, Json special_tokens = Json::object());
  // Several by name: "default", and "tool_use" for conversations with tools.
  ChatTemplate(const std::map<std::string, std::string>& sources, const std::string& where, Json special_tokens);

  // The text of `messages`, a list of objects with a role and a content, and what else the template knows. `variables` adds
  // to, and goes before, what every template sees: messages, add_generation_prompt, tools and documents (none unless given) and
  // the special tokens. TemplateError with the reason as Jinja2 words it: a template that says so itself, an unknown name, ...
  std::string render(const Json& messages, bool add_generation_prompt, const Json& variables = Json::object(),
                     const jinja::RenderOptions& options = {}) const;
  std::vector<std::string> names() const;
  const Json& special_tokens() const { return special_tokens_; }

 private:
  const jinja::Template& chosen(const Json& variables) const;
  std::map<std::string, jinja::Template> templates_;
  std::string where_;
  Json special_tokens_;
};

// The special tokens that the folder's tokenizer_config.json and special_tokens_map.json name, spelled out: each a string or an
// object with a "content". Without the files, an empty object.
Json read_special_tokens(const std::string& folder);
// The folder's chat_template.jinja, else the `chat_template` of its tokenizer_config.json: a string or a list of named ones.
// Nothing when there is none. Errors name the file and the key.
std::optional<ChatTemplate> read_chat_template(const std::string& folder);

// A format by name, for models that bring no template.
struct ChatFormat {
  std::string_view source;         // a template
  std::vector<std::string> stops;  // texts that end an answer, beside the tokenizer's end of text
};
Registry<ChatFormat>& ChatFormats();

// How one model is talked to.
struct ChatStyle {
  std::string name;  // of a format; otherwise the file that the template is in
  ChatTemplate chat_template;
  std::vector<std::string> stops;
};
// `wanted`: a format's name or a template's file; "": what the folder's name says (the published CLEX chat models come with
// the wrong template or none), else the folder's own template. Error that lists the formats when there is none.
ChatStyle chat_style(const std::string& folder, const std::string& wanted);

}  // namespace longhaul
