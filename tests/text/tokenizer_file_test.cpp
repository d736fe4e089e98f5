// Files as they come: GPT-2's two, configs beside them, and everything that can be wrong, each one line that names the
// piece.
#include "text/tokenizer_file.h"

#include <gtest/gtest.h>

#include <functional>

#include "support.h"
#include "text/made_up.h"

namespace longhaul {
namespace {

struct Wrong {
  const char* message;  // part of it
  std::function<void(SortedJson&)> change;
};

const std::vector<Wrong> kWrong = {
    {"model: type \"Unigram\" is not supported behind ByteLevel",
     [](SortedJson& j) { j["model"]["type"] = "Unigram"; }},
    {"model: type \"WordLevel\" is not supported (wanted BPE, Unigram or WordPiece)",
     [](SortedJson& j) {
       j["model"]["type"] = "WordLevel";
       j["pre_tokenizer"] = nullptr;
     }},
    {"model: vocab: wanted a list of 1 to 1048576 tokens, found object",
     [](SortedJson& j) {
       j["model"]["type"] = "Unigram";
       j["pre_tokenizer"] = nullptr;
     }},
    {"model: vocab[1]: wanted a token and its score, found [\"b\"]",
     [](SortedJson& j) {
       j["model"] = {{"type", "Unigram"}, {"vocab", {{"a", -1}, SortedJson::array({"b"})}}};
       j["pre_tokenizer"] = nullptr;
     }},
    {"model: unk_id: wanted an integer in [0, 0]",
     [](SortedJson& j) {
       j["model"] = {{"type", "Unigram"}, {"unk_id", 1}, {"vocab", SortedJson::array({SortedJson::array({"a", -1})})}};
       j["pre_tokenizer"] = nullptr;
     }},
    {"model: unk_token \"[UNK]\" is not in the vocabulary",
     [](SortedJson& j) {
       j["model"]["type"] = "WordPiece";
       j["model"].erase("merges");
       j["pre_tokenizer"] = nullptr;
     }},
    {"model: unk_token \"<none>\" is not in the vocabulary",
     [](SortedJson& j) {
       j["model"]["unk_token"] = "<none>";
       j["pre_tokenizer"] = nullptr;
     }},
    {"wanted a tokenizer.json with a model", [](SortedJson& j) { j.erase("model"); }},
    {"model: wanted an object, found array", [](SortedJson& j) { j["model"] = SortedJson::array(); }},
    {"model: dropout is not supported", [](SortedJson& j) { j["model"]["dropout"] = 0.1; }},
    {"end_of_word_suffix are not supported with ByteLevel",
     [](SortedJson& j) { j["model"]["end_of_word_suffix"] = "</w>"; }},
    {"model: unknown key 'surprise'", [](SortedJson& j) { j["model"]["surprise"] = 1; }},
    {"model: vocab: wanted an object of tokens and ids, found an empty one",
     [](SortedJson& j) { j["model"]["vocab"] = SortedJson::object(); }},
    {"model: vocab: no token for the byte 32 (\"\xC4\xA0\")",
     [](SortedJson& j) { j["model"]["vocab"].erase("\xC4\xA0"); }},
    {"vocab: \"ab\": wanted an id in [0, 1048576), found -1", [](SortedJson& j) { j["model"]["vocab"]["ab"] = -1; }},
    {"vocab: \"ab\": wanted an id in [0, 1048576), found 1048576",
     [](SortedJson& j) { j["model"]["vocab"]["ab"] = 1 << 20; }},
    {"vocab: \"ab\": wanted an id in [0, 1048576), found string",
     [](SortedJson& j) { j["model"]["vocab"]["ab"] = "7"; }},
    {"vocab: \"b\": id 98 is another token's already", [](SortedJson& j) { j["model"]["vocab"]["ab"] = 98; }},
    {"merges[1]: \"ad\" is not in the vocabulary", [](SortedJson& j) { j["model"]["merges"][1] = "a d"; }},
    {"merges[0]: \"zz\" is not in the vocabulary",
     [](SortedJson& j) {
       j["model"]["merges"][0] = {"zz", "b"};
     }},
    {"merges[0]: wanted two tokens", [](SortedJson& j) { j["model"]["merges"][0] = "a b c"; }},
    {"merges[0]: wanted two tokens", [](SortedJson& j) { j["model"]["merges"][0] = 5; }},
    {"merges: wanted a list, found string", [](SortedJson& j) { j["model"]["merges"] = "a b"; }},
    {"added_tokens[0]: \"<s>\": id 97 is another token's already",
     [](SortedJson& j) { j["added_tokens"][0]["id"] = 97; }},
    {"added_tokens[0]: id: wanted an integer in [0, 1048575]",
     [](SortedJson& j) { j["added_tokens"][0]["id"] = 1 << 20; }},
    {"added_tokens[1]: \"<s>\" is added twice",
     [](SortedJson& j) {
       j["added_tokens"].push_back(j["added_tokens"][0]);
       j["added_tokens"][1]["id"] = 300;
     }},
    {"added_tokens[0]: wanted a text, found \"\"", [](SortedJson& j) { j["added_tokens"][0]["content"] = ""; }},
    {"normalizer: type \"Uppercase\" is not supported",
     [](SortedJson& j) {
       j["normalizer"] = {{"type", "Uppercase"}};
     }},
    {"normalizer: wanted an object", [](SortedJson& j) { j["normalizer"] = "NFC"; }},
    {"pre_tokenizer: type \"UnicodeScripts\" is not supported",
     [](SortedJson& j) {
       j["pre_tokenizer"] = {{"type", "UnicodeScripts"}};
     }},
    {"pretokenizers[1]: a step of type \"ByteLevel\" behind ByteLevel",
     [](SortedJson& j) {
       j["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {j["pre_tokenizer"], j["pre_tokenizer"]}}};
     }},
    {"pattern: not a regular expression: missing closing parenthesis",
     [](SortedJson& j) {
       j["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", "(a"}}}, {"behavior", "Isolated"}};
     }},
    {"pattern: \\w in a regular expression is not supported",
     [](SortedJson& j) {
       j["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", "\\w+"}}}, {"behavior", "Isolated"}};
     }},
    {"post_processor: cls: wanted a token and its id, found \"<s>\"",
     [](SortedJson& j) {
       j["post_processor"] = {{"type", "RobertaProcessing"}, {"cls", "<s>"}};
     }},
    {"post_processor: type \"Other\" is not supported",
     [](SortedJson& j) {
       j["post_processor"] = {{"type", "Other"}};
     }},
    {"post_processor: id 4000 is no token's",
     [](SortedJson& j) {
       j["post_processor"] = {{"type", "TemplateProcessing"},
                              {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}},
                              {"special_tokens", {{"<s>", {{"ids", {4000}}}}}}};
     }},
    {"decoder: type \"CTC\" is not supported",
     [](SortedJson& j) {
       j["decoder"] = {{"type", "CTC"}};
     }},
    {"unknown key 'surprise'", [](SortedJson& j) { j["surprise"] = 1; }},
};

TEST(TokenizerFile, NamesThePieceThatIsWrong) {
  const SortedJson good = made_up_json({{"a", "b"}, {"ab", "c"}}, {{{"content", "<s>"}, {"special", true}}});
  for (const Wrong& wrong : kWrong) {
    SortedJson json = good;
    wrong.change(json);
    std::string message = error_of([&] { made_up_tokenizer(json); });
    EXPECT_TRUE(contains(message, wrong.message)) << "wanted: " << wrong.message << "\nfound:  " << message;
    EXPECT_TRUE(message.starts_with("tokenizer.json: ") && !contains(message, "\n")) << message;
  }
  EXPECT_EQ(error_of([&] { made_up_tokenizer(good); }), "no error");
}

TEST(TokenizerFile, TextThatIsNoJsonOrTooDeepIsAnError) {
  EXPECT_TRUE(contains(error_of([] { parse_tokenizer_json("{\"model\": ", "t"); }), "t: not JSON at byte"));
  EXPECT_TRUE(contains(error_of([] { parse_tokenizer_json("[]", "t"); }), "t: wanted a tokenizer.json with a model"));
  std::string deep = "{\"model\": " + std::string(100'000, '[');
  EXPECT_TRUE(contains(error_of([&] { parse_tokenizer_json(deep, "t"); }), "levels of nesting"));
}

TEST(TokenizerFile, ReadsTheTwoFilesOfGpt2) {
  TemporaryFolder folder;
  SortedJson json = made_up_json({{"a", "b"}, {"ab", "c"}});
  SortedJson vocab = json["model"]["vocab"];
  vocab["<|endoftext|>"] = 258;
  write_file(folder / "vocab.json", vocab.dump());
  write_file(folder / "merges.txt", "#version: 0.2\na b\r\nab c\n\n");
  write_file(folder / "added_tokens.json", R"({"  ": 259})");
  for (const std::string& path : {folder.path(), folder / "vocab.json"}) {
    auto tokenizer = make_tokenizer(path);
    EXPECT_EQ(ids_of(*tokenizer, "abc  ab<|endoftext|>", true), (std::vector<int64_t>{257, 259, 256, 258}));
    EXPECT_EQ(tokenizer->end_of_text(), 258);
    EXPECT_EQ(tokenizer->vocab_size(), 260);
    EXPECT_EQ(tokenizer->spec(), path);
  }
  remove_all(folder / "merges.txt");
  EXPECT_TRUE(contains(error_of([&] { make_tokenizer(folder.path()); }),
                       "wanted a tokenizer.json, tokenizer.model, tekken.json, rwkv_vocab*.txt, or a vocab.json with "
                       "merges.txt, found none"));
}

TEST(TokenizerFile, TakesTheEndOfTextFromTheConfigBesideIt) {
  TemporaryFolder folder;
  write_file(folder / "tokenizer.json", made_up_json({}, {{{"content", "</s>"}, {"special", true}}}).dump());
  EXPECT_EQ(make_tokenizer(folder.path())->end_of_text(), -1);
  write_file(folder / "tokenizer_config.json", R"({"eos_token": "</s>"})");
  EXPECT_EQ(make_tokenizer(folder.path())->end_of_text(), 256);
  write_file(folder / "tokenizer_config.json", R"({"eos_token": {"content": "</s>"}})");
  EXPECT_EQ(make_tokenizer(folder / "tokenizer.json")->end_of_text(), 256);
}

TEST(TokenizerFile, TakesAddedTokensOfTheConfigToo) {
  TemporaryFolder folder;
  write_file(folder / "tokenizer.json", made_up_json({}, {{{"content", "<s>"}, {"special", false}}}).dump());
  write_file(folder / "tokenizer_config.json",
             R"({"added_tokens_decoder": {"256": {"content": "<s>", "special": true}, "300": {"content": "<t>"}}})");
  auto tokenizer = make_tokenizer(folder.path());
  EXPECT_EQ(ids_of(*tokenizer, "a<s><t>", true), (std::vector<int64_t>{'a', 256, 300}));
  EXPECT_EQ(tokenizer->decode({256, 300}), "<t>");
  write_file(folder / "tokenizer_config.json", R"({"added_tokens_decoder": 7})");
  EXPECT_TRUE(contains(error_of([&] { make_tokenizer(folder.path()); }), "added_tokens_decoder: wanted an object"));
}

// As the tokenizers library has it.
TEST(TokenizerFile, TheVocabularysIdCountsAndAVersionAmongMergesDoesNot) {
  SortedJson json = made_up_json({{"a", "b"}}, {{{"content", "a"}, {"special", false}}});
  json["added_tokens"][0]["id"] = 300;
  auto& merges = json["model"]["merges"];
  merges.insert(merges.begin(), "#version: 0.2");
  ::testing::internal::CaptureStderr();
  const auto tokenizer = made_up_tokenizer(json);
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(contains(said, "added_tokens[0]: \"a\": id 300, but the vocabulary says 97, which counts")) << said;
  EXPECT_EQ(ids_of(tokenizer, "ba", true), (std::vector<int64_t>{'b', 'a'}));
}

// Its classes of Llama's kin decide what goes around a text; DeepSeek's files have no template.
TEST(TokenizerFile, SomeClassesDecideWhatGoesAroundAText) {
  TemporaryFolder folder;
  SortedJson json =
      made_up_json({}, {{{"content", "<s>"}, {"special", true}}, {{"content", "</s>"}, {"special", true}}});
  auto around = [&](const std::string& config) {
    write_file(folder / "tokenizer.json", json.dump());
    write_file(folder / "tokenizer_config.json", config);
    const auto tokenizer = make_tokenizer(folder.path());
    return std::pair(tokenizer->before_text(), tokenizer->after_text());
  };
  using Ends = std::pair<std::vector<int64_t>, std::vector<int64_t>>;
  const std::string named = R"("bos_token": {"content": "<s>"}, "eos_token": "</s>", "tokenizer_class": )";
  EXPECT_EQ(around("{" + named + R"("LlamaTokenizerFast"})"), (Ends{{256}, {}}));
  EXPECT_EQ(around(R"({"tokenizer_class": "LlamaTokenizer"})"), (Ends{{256}, {}}));
  EXPECT_EQ(around("{" + named + R"("PreTrainedTokenizerFast", "add_bos_token": true})"), (Ends{}));
  EXPECT_EQ(around("{" + named + R"("CodeLlamaTokenizer", "add_eos_token": true})"), (Ends{{256}, {257}}));
  EXPECT_EQ(around(R"({"tokenizer_class": "GemmaTokenizer"})"), (Ends{}));  // <bos> is no token here
  json["post_processor"] = {{"type", "BertProcessing"}, {"cls", {"<s>", 256}}, {"sep", {"</s>", 257}}};
  EXPECT_EQ(around("{" + named + R"("LlamaTokenizer", "add_bos_token": false})"), (Ends{}));
  EXPECT_EQ(around("{" + named + R"("Qwen2Tokenizer", "add_bos_token": false})"), (Ends{{256}, {257}}));
}

// OPT: other special tokens than GPT-2's, a beginning, no tokenizer.json.
TEST(TokenizerFile, TheTwoFilesWithSpecialTokensOfTheirOwn) {
  TemporaryFolder folder;
  SortedJson vocab = made_up_json({{"a", "b"}})["model"]["vocab"];
  vocab["</s>"] = 257, vocab["<pad>"] = 258;
  write_file(folder / "vocab.json", vocab.dump());
  write_file(folder / "merges.txt", "#version: 0.2\na b\n");
  write_file(folder / "special_tokens_map.json", R"({"bos_token": {"content": "</s>"}, "pad_token": "<pad>"})");
  write_file(folder / "tokenizer_config.json", R"({"bos_token": "</s>", "eos_token": "</s>", "add_bos_token": true})");
  auto tokenizer = make_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->before_text(), (std::vector<int64_t>{257}));
  EXPECT_EQ(tokenizer->end_of_text(), 257);
  EXPECT_EQ(ids_of(*tokenizer, "ab</s><pad>", true), (std::vector<int64_t>{256, 257, 258}));
  EXPECT_EQ(tokenizer->decode({256, 257}), "ab");
  write_file(folder / "tokenizer_config.json", R"({"bos_token": "</s>", "add_prefix_space": true})");
  tokenizer = make_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->before_text(), (std::vector<int64_t>{}));
  EXPECT_EQ(ids_of(*tokenizer, "ab", false), (std::vector<int64_t>{' ', 256}));
}

TEST(TokenizerFile, EveryProcessorPutsItsTokensAroundTheOnesBefore) {
  SortedJson json =
      made_up_json({}, {{{"content", "<s>"}, {"special", true}}, {{"content", "</s>"}, {"special", true}}});
  SortedJson roberta = {{"type", "RobertaProcessing"},
                        {"sep", {"</s>", 257}},
                        {"cls", {"<s>", 256}},
                        {"trim_offsets", true},
                        {"add_prefix_space", false}};
  SortedJson bert = {{"type", "BertProcessing"}, {"sep", {"b", 98}}, {"cls", {"a", 97}}};
  json["post_processor"] = {{"type", "Sequence"}, {"processors", {roberta, bert}}};
  PipelineTokenizer tokenizer = made_up_tokenizer(json);
  EXPECT_EQ(tokenizer.before_text(), (std::vector<int64_t>{97, 256}));
  EXPECT_EQ(tokenizer.after_text(), (std::vector<int64_t>{257, 98}));
}

// How a file is written does not count, what it says does.
TEST(TokenizerFile, TheHashIsOfTheMeaning) {
  SortedJson json = made_up_json({{"a", "b"}, {"ab", "c"}}, {{{"content", "<s>"}, {"special", true}}});
  const std::string hash = parse_tokenizer_json(json.dump(), "t").hash;
  SortedJson same = json;
  same["model"]["merges"] = {"a b", "ab c"};
  same["truncation"] = nullptr;
  EXPECT_EQ(parse_tokenizer_json(same.dump(2), "u").hash, hash);
  const std::vector<std::function<void(SortedJson&)>> changes = {
      [](SortedJson& j) { std::swap(j["model"]["merges"][0], j["model"]["merges"][1]); },
      [](SortedJson& j) { std::swap(j["model"]["vocab"]["a"], j["model"]["vocab"]["b"]); },
      [](SortedJson& j) { j["model"]["ignore_merges"] = true; },
      [](SortedJson& j) { j["added_tokens"][0]["lstrip"] = true; },
      [](SortedJson& j) {
        j["normalizer"] = {{"type", "NFC"}};
      },
      [](SortedJson& j) { j["pre_tokenizer"]["add_prefix_space"] = true; },
      [](SortedJson& j) { j["pre_tokenizer"]["use_regex"] = false; },
      [](SortedJson& j) { j["added_tokens"][0]["content"] = "<|endoftext|>"; },
  };
  for (const auto& change : changes) {
    SortedJson other = json;
    change(other);
    EXPECT_NE(parse_tokenizer_json(other.dump(), "t").hash, hash);
  }
}

TEST(Tokenizers, AMissingFileIsOneClearLine) {
  EXPECT_TRUE(contains(error_of([] { make_tokenizer("no/such/tokenizer.json"); }), "no/such/tokenizer.json: "));
  EXPECT_TRUE(contains(error_of([] { make_tokenizer("no/such/folder"); }), "no/such/folder: "));
}

}  // namespace
}  // namespace longhaul
