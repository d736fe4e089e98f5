// Hugging Face's conventions around a chat template, where it comes from, and the formats by name.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include "support.h"

namespace longhaul {

namespace {

Json said(const char* role, const std::string& content) { return {{"role", role}, {"content", content}}; }

std::string by_name(const char* name, const Json& messages, bool prompt, const Json& special = Json::object()) {
  return ChatTemplate(ChatFormats().find(name).make.source, name, special).render(messages, prompt);
}

TEST(ChatTemplate, VariablesThatEveryTemplateSees) {
  const ChatTemplate chat(
      "{{ bos_token }}|{{ eos_token }}|{{ tools }}|{{ documents is none }}|{{ add_generation_prompt }}|{{ "
      "messages|length }}|{{ k }}",
      "t", {{"bos_token", "<s>"}});
  EXPECT_EQ(chat.render(Json::array(), true), "<s>||None|True|True|0|");
  EXPECT_EQ(
      chat.render(Json::array({said("user", "a")}), false, {{"k", 5}, {"tools", Json::array({1})}, {"bos_token", "B"}}),
      "B||[1]|True|False|1|5");
}

TEST(ChatTemplate, NamedTemplatesAreChosenByTools) {
  const ChatTemplate chat({{"default", "plain"}, {"tool_use", "tools"}}, "t", Json::object());
  EXPECT_EQ(chat.render(Json::array(), false), "plain");
  EXPECT_EQ(chat.render(Json::array(), false, {{"tools", Json::array({1})}}), "tools");
  EXPECT_EQ(chat.render(Json::array(), false, {{"tools", nullptr}}), "plain");
  EXPECT_EQ(error_of([] {
              ChatTemplate({{"rag", "x"}, {"two", "y"}}, "t", Json::object()).render(Json::array(), false);
            }),
            "t: wanted a template named 'default', found rag, two");
}

TEST(ChatTemplate, FolderOfATokenizer) {
  TemporaryFolder folder;
  EXPECT_FALSE(read_chat_template(folder.path()).has_value());
  write_file(folder / "special_tokens_map.json", R"({"bos_token": "old", "unk_token": "<unk>"})");
  write_file(folder / "tokenizer_config.json",
             R"({"bos_token": {"content": "<s>", "special": true}, "eos_token": "</s>", "pad_token": null,
                 "add_bos_token": true, "chat_template": "{{ bos_token }}{{ eos_token }}{{ unk_token }}{{ pad_token }}"})");
  EXPECT_EQ(read_special_tokens(folder.path()),
            Json({{"bos_token", "<s>"}, {"unk_token", "<unk>"}, {"eos_token", "</s>"}}));
  EXPECT_EQ(read_chat_template(folder.path())->render(Json::array(), false), "<s></s><unk>");
  write_file(folder / "chat_template.jinja", "file {{ eos_token }}");
  EXPECT_EQ(read_chat_template(folder.path())->render(Json::array(), false), "file </s>");
}

TEST(ChatTemplate, ListOfTemplatesInAConfig) {
  TemporaryFolder folder;
  const std::string path = folder / "tokenizer_config.json";
  write_file(path, R"({"chat_template": [{"name": "default", "template": "d"}, {"name": "rag", "template": "r"}]})");
  EXPECT_EQ(read_chat_template(folder.path())->names(), (std::vector<std::string>{"default", "rag"}));
  write_file(path, R"({"chat_template": [{"name": "default"}]})");
  EXPECT_EQ(error_of([&] { read_chat_template(folder.path()); }),
            path + ": chat_template[0]: template: wanted a string, found no such key");
  write_file(path, R"({"chat_template": 5})");
  EXPECT_EQ(error_of([&] { read_chat_template(folder.path()); }),
            path + ": chat_template: wanted a string or a list of templates");
  write_file(path, R"({"chat_template": "a\n{{ 1 + }}"})");
  EXPECT_TRUE(contains(error_of([&] { read_chat_template(folder.path()); }), "chat_template:2:8: "));
}

const Json kTalk = {said("user", "q1"), said("assistant", "a1"), said("user", "q2")};
const Json kLed = {said("system", "S"), said("user", "q1")};

// The layouts are those of the formats' definitions (FastChat's conversations; the tokenizers' documentation).
TEST(ChatFormats, Vicuna) {
  const std::string own =
      "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
      "and "
      "polite answers to the user's questions.";
  EXPECT_EQ(by_name("vicuna_v1.1", kTalk, true), own + " USER: q1 ASSISTANT: a1</s>USER: q2 ASSISTANT:");
  EXPECT_EQ(by_name("vicuna_v1.1", kLed, true, {{"bos_token", "<s>"}, {"eos_token", "</e>"}}),
            "<s>S USER: q1 ASSISTANT:");
}

TEST(ChatFormats, Llama2) {
  const Json special = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  EXPECT_EQ(by_name("llama-2", kTalk, true, special), "<s>[INST] q1 [/INST] a1 </s><s>[INST] q2 [/INST]");
  EXPECT_EQ(by_name("llama-2", kLed, true, special), "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nq1 [/INST]");
}

TEST(ChatFormats, Zephyr) {
  EXPECT_EQ(by_name("zephyr", kTalk, true),
            "<|system|>\n</s>\n<|user|>\nq1</s>\n<|assistant|>\na1</s>\n<|user|>\nq2</s>\n<|assistant|>\n");
  EXPECT_EQ(by_name("zephyr", kLed, false), "<|system|>\nS</s>\n<|user|>\nq1</s>\n");
}

TEST(ChatFormats, ChatMl) {
  EXPECT_EQ(by_name("chatml", kLed, true),
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatFormats, WhichOneAFolderTakes) {
  TemporaryFolder folder;
  auto said_by = [&](const std::string& name, const std::string& wanted) {
    return chat_style(folder / name, wanted).chat_template.render(Json::array({said("user", "q")}), true);
  };
  for (const char* name : {"CLEX-7B-Chat-16K", "CLEX-Mixtral-8x7B-Chat-32K", "own", "none"}) {
    make_folders(folder / name);
    if (std::string(name) != "none")
      write_file(path_join(folder / name, "tokenizer_config.json"), R"({"bos_token": "B", "chat_template": "own"})");
  }
  EXPECT_EQ(said_by("own", ""), "own");
  EXPECT_TRUE(said_by("CLEX-7B-Chat-16K/", "").starts_with("BA chat between a curious user"));
  EXPECT_EQ(said_by("CLEX-Mixtral-8x7B-Chat-32K", ""), "B<|system|>\n</s>\n<|user|>\nq</s>\n<|assistant|>\n");
  EXPECT_EQ(said_by("CLEX-7B-Chat-16K", "plain"), "q\n");
  const std::string cached = "models--DAMO-NLP-SG--CLEX-7B-Chat-16K/snapshots/0123abc";
  make_folders(folder / cached);
  EXPECT_TRUE(said_by(cached, "").starts_with("A chat between a curious user"));
  write_file(folder / "file", "file {{ bos_token }}");
  EXPECT_EQ(said_by("own", folder / "file"), "file B");
  EXPECT_TRUE(contains(error_of([&] { said_by("none", ""); }), "none: has no chat template; name a file or a format"));
  EXPECT_EQ(error_of([&] { said_by("own", "zephir"); }), "unknown chat format 'zephir' (did you mean 'zephyr'?)");
}

TEST(ChatFormats, PlainOnes) {
  EXPECT_EQ(by_name("plain", kTalk, true), "q1\na1\nq2\n");
  EXPECT_EQ(by_name("phi-2", kTalk, true), "Instruct: q1\nOutput: a1\nInstruct: q2\nOutput:");
  EXPECT_EQ(by_name("rwkv-world", kTalk, true), "User: q1\n\nAssistant: a1\n\nUser: q2\n\nAssistant:");
  // An answer as it was generated, with its space: what was read for it is read no second time.
  const Json generated = Json::parse(R"([{"role": "user", "content": "q1"}, {"role": "assistant", "content": " a1"}])");
  EXPECT_EQ(by_name("phi-2", generated, false), "Instruct: q1\nOutput: a1\n");
  EXPECT_EQ(by_name("rwkv-world", generated, false), "User: q1\n\nAssistant: a1\n\n");
}

}  // namespace

}  // namespace longhaul
