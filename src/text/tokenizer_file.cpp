#include "text/tokenizer_file.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/sorted_json.h"
#include "base/strings.h"
#include "text/chat_template.h"
#include "text/tokenizer_model.h"
#include "text/tokenizer_pieces.h"

namespace longhaul {

namespace {

using Texts = std::unordered_set<std::string>;

AddedToken parse_added_token(const Json& json, const std::string& where) {
  JsonReader reader(json, where);
  AddedToken token;
  token.content = reader.string("content");
  token.id = static_cast<uint32_t>(reader.integer("id", 0, kLargestVocabulary - 1));
  token.special = reader.boolean_or("special", false);
  token.single_word = reader.boolean_or("single_word", false);
  token.lstrip = reader.boolean_or("lstrip", false);
  token.rstrip = reader.boolean_or("rstrip", false);
  token.normalized = reader.boolean_or("normalized", !token.special);
  reader.finish();
  check(!token.content.empty(), where, ": wanted a text, found \"\"");
  return token;
}

void read_added_token(const Json& json, const std::string& where, const TextIds& ids, Texts& contents,
                      TokenizerFile& file) {
  AddedToken token = parse_added_token(json, where);
  std::string name = where + ": " + in_quotes(token.content);
  const uint32_t* known = ids.find(token.content);
  if (known && *known != token.id) {  // as in tokenizers
    log_warning(name, ": id ", token.id, ", but the vocabulary says ", *known, ", which counts");
    token.id = *known;
  }
  check(known || !file.has_token(token.id), name, ": id ", token.id, " is another token's already");
  check(contents.insert(token.content).second, name, " is added twice");
  file.put_token(token.id, {Token::kPlain, token.content});
  file.added.push_back(std::move(token));
}

// An entry of a list of added tokens, and where it stands.
struct ListedToken {
  Json token;
  std::string where;
};

// The config's tokens replace those of the same content, or come behind them.
std::vector<ListedToken> with_config(const Json& list, const Json& config, const std::string& where) {
  check(list.is_array(), where, ": wanted a list, found ", list.type_name());
  std::vector<ListedToken> all;
  std::unordered_map<std::string, size_t> places;  // by content; of equal ones the first
  const auto add = [&](ListedToken listed) {
    const bool has = listed.token.is_object() && listed.token.contains("content");
    if (has && listed.token["content"].is_string()) places.emplace(listed.token["content"], all.size());
    all.push_back(std::move(listed));
  };
  for (size_t i = 0; i < list.size(); ++i) add({list[i], where + "[" + std::to_string(i) + "]"});
  if (config.is_null()) return all;
  const std::string decoder = "tokenizer_config.json: added_tokens_decoder";
  for (const auto& [id, settings] : config.items()) {
    ListedToken listed{settings, decoder + "." + id};
    check(settings.is_object(), listed.where, ": wanted an object, found ", settings.type_name());
    listed.token["id"] = parse_integer(id, decoder);
    const Json content = settings.value("content", Json());
    const auto same = content.is_string() ? places.find(content.get_ref<const std::string&>()) : places.end();
    if (same == places.end()) {
      add(std::move(listed));
    } else {
      all[same->second] = std::move(listed);
    }
  }
  return all;
}

// Tokens that are looked for in normalised text are normalised themselves, and decoders get them so. Special is then
// what is still spelled as a special token.
void finish_added_tokens(TokenizerFile& file) {
  Texts special;
  for (const AddedToken& token : file.added) {
    if (token.special) special.insert(token.content);
  }
  for (AddedToken& token : file.added) {
    if (token.normalized) file.normalizer.apply(token.content);
    file.put_token(token.id, {special.contains(token.content) ? Token::kSpecial : Token::kPlain, token.content});
  }
  std::erase_if(file.added, [](const AddedToken& token) { return token.content.empty(); });  // never found
}

int64_t id_between_documents(const TokenizerFile& file, const std::string& fallback) {
  for (const std::string& spelling : {std::string("<|endoftext|>"), std::string("<|end_of_text|>"), fallback}) {
    for (const AddedToken& token : file.added) {
      if (token.content == spelling) return token.id;
    }
  }
  return -1;
}

// The beginning and the end that the config asks for, where they are tokens, in place of what the file says.
void put_ends(const TokenizerConfig& config, const TextIds& ids, TokenizerFile& file) {
  auto around = [&](bool wanted, const std::string& spelling, std::vector<int64_t>& tokens) {
    const uint32_t* known = ids.find(spelling);
    const auto added = std::find_if(file.added.begin(), file.added.end(),
                                    [&](const AddedToken& token) { return token.content == spelling; });
    const bool found = known || added != file.added.end();
    if (!wanted) tokens.clear();
    if (wanted && found) tokens = {known ? *known : added->id};
  };
  around(config.add_bos_token.value_or(true), config.beginning, file.before);
  around(config.add_eos_token.value_or(false), config.end_of_text, file.after);
}

// {"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}], "special_tokens": {"<s>": {"ids": [1]}}}
void read_template(JsonReader& reader, const std::string& where, std::vector<int64_t>& before,
                   std::vector<int64_t>& after) {
  const Json& single = reader.value("single");
  check(single.is_array(), where, ": single: wanted a list, found ", single.type_name());
  JsonReader tokens = reader.object("special_tokens");
  reader.ignore("pair");  // two texts in one: we never encode pairs
  bool behind = false;
  for (size_t i = 0; i < single.size(); ++i) {
    std::string here = str(where, ": single[", i, "]");
    JsonReader part(single[i], here);
    if (part.has("Sequence")) {
      check(!behind, here, ": wanted the text once, found it twice");
      behind = true;
      continue;
    }
    std::string name = part.object("SpecialToken").string("id");
    for (int64_t id : tokens.object(name).integers("ids", 0)) (behind ? after : before).push_back(id);
  }
  check(behind, where, ": single: wanted the text (a Sequence) in it, found none");
}

// "cls": ["<s>", 0]
int64_t read_named_id(JsonReader& reader, const std::string& key, const std::string& where) {
  const Json& pair = reader.value(key);
  bool good = pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_number_unsigned();
  check(good, where, ": ", key, ": wanted a token and its id, found ", pair.dump().substr(0, 60));
  return pair[1].get<int64_t>();
}

// Each processor puts its tokens around what those before it made.
void read_post_processor(const Json& piece, const std::string& where, TokenizerFile& file) {
  for_each_piece(piece, where, "processors", [&](const Json& one, const std::string& here) {
    std::string type = type_of_piece(one, here);
    JsonReader reader(one, here);
    reader.ignore("type");
    std::vector<int64_t> before, after;
    for (const char* key : {"trim_offsets", "add_prefix_space", "use_regex"})
      reader.ignore(key);  // of places in the text
    if (type == "TemplateProcessing") {
      read_template(reader, here, before, after);
    } else if (type == "BertProcessing" || type == "RobertaProcessing") {
      before.push_back(read_named_id(reader, "cls", here));
      after.push_back(read_named_id(reader, "sep", here));
    } else if (type != "ByteLevel") {  // which moves places in the text, not ids
      unsupported_piece(type, here,
                        "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or a Sequence of them");
    }
    reader.finish();
    for (const auto* around : {&before, &after}) {
      for (int64_t id : *around) check(file.has_token(id), here, ": id ", id, " is no token's");
    }
    file.before.insert(file.before.begin(), before.begin(), before.end());
    file.after.insert(file.after.end(), after.begin(), after.end());
  });
}

TokenizerFile from_json(const SortedJson& json, const std::string& where, const TokenizerConfig& config) {
  check(json.is_object() && json.contains("model"), where, ": wanted a tokenizer.json with a model, found none");
  Json pieces = Json::object();
  for (const auto& [key, value] : json.items()) {
    if (key != "model") pieces[key] = value;
  }
  JsonReader reader(pieces, where);
  for (const char* key : {"version", "added_tokens"}) reader.ignore(key);
  for (const char* key : {"truncation", "padding"}) reader.ignore(key);  // of batches; transformers resets them too
  auto given = [&](const char* key) -> const Json* {
    if (!reader.has(key)) return nullptr;
    const Json& piece = reader.value(key);
    return piece.is_null() ? nullptr : &piece;
  };
  TokenizerFile file;
  if (const Json* piece = given("normalizer")) file.normalizer = Normalizer(*piece, where + ": normalizer");
  if (const Json* piece = given("pre_tokenizer")) file.pretokenizer = Pretokenizer(*piece, where + ": pre_tokenizer");
  if (const Json* piece = given("decoder")) file.decoder = TokenDecoder(*piece, where + ": decoder");
  TextIds ids = read_model(json["model"], where + ": model", file);
  Texts contents;
  for (const ListedToken& listed :
       with_config(pieces.value("added_tokens", Json::array()), config.added_tokens, where + ": added_tokens"))
    read_added_token(listed.token, listed.where, ids, contents, file);
  if (const Json* piece = given("post_processor")) read_post_processor(*piece, where + ": post_processor", file);
  if (config.decides_ends) put_ends(config, ids, file);
  reader.finish();
  file.end_of_text = id_between_documents(file, config.end_of_text);
  finish_added_tokens(file);
  file.hash = meaning_hash(file);
  return file;
}

// {"<pad>": 32000} of an added_tokens.json, each special when it is one of `special`. Empty without such a file.
Json added_tokens_beside(const std::string& folder, const std::set<std::string>& special) {
  const std::string path = path_join(folder, "added_tokens.json");
  Json list = Json::array();
  if (!exists(path)) return list;
  const Json tokens = read_json(path);
  check(tokens.is_object(), path, ": wanted an object of tokens and ids, found ", tokens.type_name());
  for (const auto& [content, id] : tokens.items())
    list.push_back({{"id", id}, {"content", content}, {"special", special.contains(content)}});
  return list;
}

std::set<std::string> special_spellings(const std::string& folder) {
  std::set<std::string> special;
  const Json named = read_special_tokens(folder);
  for (const auto& [name, spelling] : named.items()) special.insert(spelling.get<std::string>());
  for (const char* file : {"special_tokens_map.json", "tokenizer_config.json"}) {
    const std::string path = path_join(folder, file);
    const Json config = exists(path) ? read_json(path) : Json();
    if (!config.is_object() || !config.contains("additional_special_tokens")) continue;
    for (const Json& token : config["additional_special_tokens"]) {  // a text, or an object with one
      const Json content = token.is_object() ? token.value("content", Json()) : token;
      if (content.is_string()) special.insert(content.get<std::string>());
    }
  }
  return special;
}

// GPT-2's two files, and the added_tokens.json that CodeGen puts beside them, as the tokenizer.json they stand for.
SortedJson join_files(const std::string& vocab_path, const std::string& folder, bool prefix_space) {
  SortedJson vocab = parse_sorted_json(read_file(vocab_path), vocab_path), merges = SortedJson::array();
  for (const std::string& line : split(read_file(path_join(folder, "merges.txt")), '\n')) {
    std::string_view merge = trim(line);
    if (!merge.empty() && !merge.starts_with("#version")) merges.push_back(std::string(merge));
  }
  SortedJson added = SortedJson::array();
  if (vocab.is_object() && vocab.contains("<|endoftext|>"))
    added.push_back({{"id", vocab["<|endoftext|>"]}, {"content", "<|endoftext|>"}, {"special", true}});
  std::set<std::string> special = special_spellings(folder);  // of models that have others (OPT)
  special.erase("<|endoftext|>");
  for (const std::string& spelling : special)
    if (vocab.is_object() && vocab.contains(spelling))
      added.push_back({{"id", vocab[spelling]}, {"content", spelling}, {"special", true}});
  for (const Json& token : added_tokens_beside(folder, special)) {
    const auto content = token["content"].get<std::string>();
    const bool known = content == "<|endoftext|>" || (special.contains(content) && vocab.contains(content));
    if (!known) added.push_back(SortedJson(token));
  }
  SortedJson byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", prefix_space}};
  return {{"model", {{"type", "BPE"}, {"vocab", std::move(vocab)}, {"merges", std::move(merges)}}},
          {"added_tokens", std::move(added)},
          {"pre_tokenizer", byte_level},
          {"decoder", byte_level}};
}

}  // namespace

TokenizerFile parse_tokenizer_json(std::string_view text, const std::string& where, const TokenizerConfig& config) {
  return from_json(parse_sorted_json(text, where), where, config);
}

TokenizerFile read_gpt2_files(const std::string& vocab_path, const TokenizerConfig& config) {
  TokenizerConfig own = config;
  own.decides_ends = true;
  own.add_bos_token = config.add_bos_token.value_or(false);
  return from_json(join_files(vocab_path, folder_of(vocab_path), config.add_prefix_space), vocab_path, own);
}

std::vector<AddedToken> tokens_behind(int64_t vocabulary, const std::string& folder, const TokenizerConfig& config) {
  const Json beside = added_tokens_beside(folder, special_spellings(folder));
  std::vector<AddedToken> tokens;
  std::set<int64_t> ids;
  Texts contents;
  for (const auto& [listed, where] : with_config(beside, config.added_tokens, path_join(folder, "added_tokens.json"))) {
    AddedToken token = parse_added_token(listed, where);
    if (token.id < vocabulary) continue;
    if (!ids.insert(token.id).second)
      fail(where, ": ", in_quotes(token.content), ": id ", token.id, " is another token's already");
    if (!contents.insert(token.content).second) fail(where, ": ", in_quotes(token.content), " is added twice");
    tokens.push_back(std::move(token));
  }
  return tokens;
}

TokenizerConfig read_tokenizer_config(const std::string& folder) {
  TokenizerConfig config;
  std::string path = path_join(folder, "tokenizer_config.json");
  if (!exists(path)) return config;
  Json json = read_json(path);
  check(json.is_object(), path, ": wanted an object, found ", json.type_name());
  // A token is a text, or an object with one.
  auto spelling = [&](const char* key, const std::string& otherwise) {
    Json token = json.value(key, Json());
    if (token.is_object() && token.contains("content")) token = Json(token["content"]);
    return token.is_string() ? token.get<std::string>() : otherwise;
  };
  const Json type = json.value("tokenizer_class", Json());
  const std::string name = type.is_string() ? type.get<std::string>() : "";
  const bool gemma = name.starts_with("GemmaTokenizer");
  config.decides_ends = gemma || name.starts_with("LlamaTokenizer") || name.starts_with("CodeLlamaTokenizer");
  config.beginning = spelling("bos_token", gemma ? "<bos>" : config.decides_ends ? "<s>" : "");
  config.end_of_text = spelling("eos_token", "");
  config.added_tokens = json.value("added_tokens_decoder", Json());
  bool good = config.added_tokens.is_null() || config.added_tokens.is_object();
  check(good, path, ": added_tokens_decoder: wanted an object, found ", config.added_tokens.type_name());
  auto flag = [&](const char* key) -> std::optional<bool> {
    Json value = json.value(key, Json());
    check(value.is_null() || value.is_boolean(), path, ": ", key, ": wanted true or false, found ", value.type_name());
    return value.is_null() ? std::nullopt : std::optional(value.get<bool>());
  };
  config.add_bos_token = flag("add_bos_token");
  config.add_eos_token = flag("add_eos_token");
  config.add_prefix_space = flag("add_prefix_space").value_or(false);
  return config;
}

}  // namespace longhaul
