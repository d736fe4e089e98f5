// The formats by name, as templates: what models without a template of their own were tuned with. A system text that is given
// replaces a format's own. Where the reference tokenizes with a beginning-of-text token, the template writes it.
#include "base/files.h"
#include "base/strings.h"
#include "text/chat_template.h"

namespace longhaul {

namespace {

LH_REGISTER(ChatFormats, "plain", "texts one after the other, a line each: for models that were never tuned to talk",
            ChatFormat{R"({% for message in messages %}
{{ message.content }}
{% endfor %})",
                       {}});

LH_REGISTER(ChatFormats, "chatml", "<|im_start|>role ... <|im_end|>: Qwen and many others",
            ChatFormat{R"({% for message in messages %}
{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' }}
{% endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant\n' -}}
{% endif %})",
                       {"<|im_end|>"}});

// FastChat's "vicuna_v1.1", of which CLEX-7B-Chat-16K was tuned.
LH_REGISTER(ChatFormats, "vicuna_v1.1", "USER: ... ASSISTANT: ...: Vicuna, CLEX-7B-Chat-16K",
            ChatFormat{R"({{ bos_token }}
{%- if messages and messages[0].role == 'system' %}
{{- messages[0].content }}{% set messages = messages[1:] %}
{%- else %}
{{- "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions." }}
{%- endif %}
{{- ' ' }}
{%- for message in messages %}
{{- 'USER: ' + message.content + ' ' if message.role == 'user' else 'ASSISTANT: ' + message.content + (eos_token or '</s>') }}
{%- endfor %}
{{- 'ASSISTANT:' if add_generation_prompt else '' }})",
                       {"</s>"}});

LH_REGISTER(ChatFormats, "llama-2", "[INST] ... [/INST] with <<SYS>>: Llama-2-Chat, first Mistral",
            ChatFormat{R"({%- set space = namespace(system='') %}
{%- if messages and messages[0].role == 'system' %}
{%- set space.system = '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' if messages[0].content else '' %}
{%- set messages = messages[1:] %}
{%- endif %}
{%- for message in messages %}
{{- (bos_token or '') + '[INST] ' + (space.system if loop.first else '') + message.content + ' [/INST]'
    if message.role == 'user' else ' ' + message.content + ' ' + (eos_token or '</s>') }}
{%- endfor %})",
                       {"</s>"}});

LH_REGISTER(ChatFormats, "zephyr", "<|role|> ... </s>: Zephyr, CLEX-Mixtral-8x7B-Chat-32K",
            ChatFormat{R"({{ bos_token }}
{%- if not messages or messages[0].role != 'system' %}
{{- '<|system|>\n' + (eos_token or '</s>') + '\n' }}
{%- endif %}
{%- for message in messages %}
{{- '<|' + message.role + '|>\n' + message.content + (eos_token or '</s>') + '\n' }}
{%- endfor %}
{{- '<|assistant|>\n' if add_generation_prompt else '' }})",
                       {"</s>"}});

LH_REGISTER(ChatFormats, "phi-2", "Instruct: ... Output: ...: Phi-2",
            ChatFormat{R"({% for message in messages %}
{{ message.content if message.role == 'system' else
   ('Instruct:' if message.role == 'user' else 'Output:') + ('' if message.content.startswith(' ') else ' ') + message.content }}
{% endfor %}
{{- 'Output:' if add_generation_prompt else '' }})",
                       {"\nInstruct:"}});

LH_REGISTER(ChatFormats, "rwkv-world", "User: ... Assistant: ... with blank lines between: RWKV World",
            ChatFormat{R"({% for message in messages %}
{{ message.content if message.role == 'system' else
   ('User:' if message.role == 'user' else 'Assistant:') + ('' if message.content.startswith(' ') else ' ') + message.content }}

{% endfor %}
{{- 'Assistant:' if add_generation_prompt else '' }})",
                       {"\n\n"}});

// The name that a model was published under: that of its folder, or, of a snapshot in the hub's cache, of the repository's
// (models--ORG--NAME/snapshots/COMMIT).
std::string published_name(std::string folder) {
  while (folder.ends_with('/')) folder.pop_back();
  const std::string parent = folder_of(folder);
  return file_name(file_name(parent) == "snapshots" ? folder_of(parent) : folder);
}

// Published models whose own files do not say how they were tuned.
std::string format_of_published(const std::string& folder) {
  const std::string name = published_name(folder);
  if (name.find("CLEX-7B-Chat") != std::string::npos) return "vicuna_v1.1";
  if (name.find("CLEX-Mixtral-8x7B-Chat") != std::string::npos) return "zephyr";
  return "";
}

}  // namespace

Registry<ChatFormat>& ChatFormats() {
  static Registry<ChatFormat> registry("chat format");
  return registry;
}

ChatStyle chat_style(const std::string& folder, const std::string& wanted) {
  const std::string name = wanted.empty() ? format_of_published(folder) : wanted;
  if (name.empty()) {
    std::optional<ChatTemplate> own = read_chat_template(folder);
    check(own.has_value(), folder,
          ": has no chat template; name a file or a format with --template: ", join(ChatFormats().names(), ", "));
    return {folder, *std::move(own), {}};
  }
  if (!ChatFormats().has(name) && exists(name)) return {name, {read_file(name), name, read_special_tokens(folder)}, {}};
  const ChatFormat& format = ChatFormats().find(name).make;
  return {name, {format.source, name, read_special_tokens(folder)}, format.stops};
}

}  // namespace longhaul
