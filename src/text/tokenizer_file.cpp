#include "text/tokenizer_file.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/sorted_json.h"
#include "base/strings.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer_pieces.h"

namespace longhaul {

namespace {

using Ids = std::unordered_map<std::string_view, uint32_t>;

std::string in_quotes(std::string_view text) { return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace); }

// A vocabulary leaves bytes out that UTF-8 never holds (GPT-NeoX's does).
bool occurs_in_utf8(int byte) { return byte != 0xC0 && byte != 0xC1 && byte < 0xF5; }

void put_token(TokenizerFile& file, int64_t id, Token token) {
  if (file.tokens.size() <= static_cast<size_t>(id)) file.tokens.resize(static_cast<size_t>(id) + 1);
  file.tokens[static_cast<size_t>(id)] = std::move(token);
}

bool has_token(const TokenizerFile& file, int64_t id) {
  return 0 <= id && id < static_cast<int64_t>(file.tokens.size()) &&
         file.tokens[static_cast<size_t>(id)].kind != Token::kNone;
}

// As the ByteLevel decoder reads a token: a spelling of bytes, or plain text when it cannot be one.
std::string decoded(std::string_view spelling) { return bytes_of_spelling(spelling).value_or(std::string(spelling)); }

// {"!": 0, ...}; the keys of the result point into `vocab`.
Ids read_vocabulary(const SortedJson& vocab, const std::string& where, TokenizerFile& file) {
  check(vocab.is_object() && !vocab.empty(), where, ": wanted an object of tokens and ids, found ",
        vocab.is_object() ? "an empty one" : vocab.type_name());
  Ids ids;
  ids.reserve(vocab.size());
  for (const auto& [token, value] : vocab.items()) {
    bool good = value.is_number_unsigned() && value.get<uint64_t>() < static_cast<uint64_t>(kLargestVocabulary);
    check(good, where, ": ", in_quotes(token), ": wanted an id in [0, ", kLargestVocabulary, "), found ",
          value.is_number() ? value.dump() : value.type_name());
    auto id = value.get<uint32_t>();
    check(!has_token(file, id), where, ": ", in_quotes(token), ": id ", id, " is another token's already");
    put_token(file, id, {Token::kPlain, decoded(token)});
    ids.emplace(token, id);
    if (auto bytes = bytes_of_spelling(token)) file.vocabulary.words.emplace_back(std::move(*bytes), id);
  }
  for (int byte = 0; byte < 256; ++byte) {
    std::string spelling = spelling_of(static_cast<unsigned char>(byte));
    auto it = ids.find(spelling);
    check(it != ids.end() || !occurs_in_utf8(byte), where, ": no token for the byte ", byte, " (", in_quotes(spelling),
          "): not a byte-level vocabulary");
    file.vocabulary.byte_ids[static_cast<size_t>(byte)] = it == ids.end() ? MergeTable::kNone : it->second;
  }
  return ids;
}

// "left right", or since 2024 ["left", "right"].
std::pair<std::string, std::string> read_pair(const SortedJson& merge, const std::string& where) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
    return {merge[0], merge[1]};
  if (merge.is_string()) {
    std::vector<std::string> parts = split(merge.get_ref<const std::string&>(), ' ');
    if (parts.size() == 2) return {parts[0], parts[1]};
  }
  fail(where, ": wanted two tokens with a space between them, or a list of two, found ",
       merge.dump(-1, ' ', false, SortedJson::error_handler_t::replace).substr(0, 60));
}

void read_merges(const SortedJson& merges, const Ids& ids, const std::string& where, TokenizerFile& file) {
  check(merges.is_array(), where, ": wanted a list, found ", merges.type_name());
  file.vocabulary.merges.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    auto id_of = [&](const std::string& token) {
      auto it = ids.find(token);
      check(it != ids.end(), where, "[", rank, "]: ", in_quotes(token), " is not in the vocabulary");
      return it->second;
    };
    auto [left, right] = read_pair(merges[rank], str(where, "[", rank, "]"));
    file.vocabulary.merges.push_back({id_of(left), id_of(right), id_of(left + right)});
  }
}

void read_added_tokens(const Json& list, const Ids& ids, const std::string& where, TokenizerFile& file) {
  check(list.is_array(), where, ": wanted a list, found ", list.type_name());
  for (size_t i = 0; i < list.size(); ++i) {
    JsonReader reader(list[i], str(where, "[", i, "]"));
    AddedToken token;
    token.content = reader.string("content");
    token.id = static_cast<uint32_t>(reader.integer("id", 0, kLargestVocabulary - 1));
    token.special = reader.boolean_or("special", false);
    token.single_word = reader.boolean_or("single_word", false);
    token.lstrip = reader.boolean_or("lstrip", false);
    token.rstrip = reader.boolean_or("rstrip", false);
    token.normalized = reader.boolean_or("normalized", !token.special);
    reader.finish();
    std::string name = str(where, "[", i, "]: ", in_quotes(token.content));
    check(!token.content.empty(), where, "[", i, "]: wanted a text, found \"\"");
    auto known = ids.find(token.content);
    check(known == ids.end() || known->second == token.id, name, ": id ", token.id, ", but the vocabulary says ",
          known == ids.end() ? 0 : known->second);
    check(known != ids.end() || !has_token(file, token.id), name, ": id ", token.id, " is another token's already");
    bool twice = std::any_of(file.added.begin(), file.added.end(),
                             [&](const AddedToken& other) { return other.content == token.content; });
    check(!twice, name, " is added twice");
    put_token(file, token.id, {token.special ? Token::kSpecial : Token::kPlain, decoded(token.content)});
    file.added.push_back(std::move(token));
  }
}

void read_model(const SortedJson& model, const std::string& where, TokenizerFile& file, Ids& ids) {
  check(model.is_object(), where, ": wanted an object, found ", model.type_name());
  std::string type = model.contains("type") && model["type"].is_string() ? model["type"] : SortedJson("BPE");
  check(type == "BPE", where, ": type ", in_quotes(type), " is not supported (wanted byte-level BPE)");
  Json settings = Json::object();
  for (const auto& [key, value] : model.items()) {
    if (key != "vocab" && key != "merges") settings[key] = value;
  }
  read_model_settings(settings, where, file.vocabulary);
  check(model.contains("vocab") && model.contains("merges"), where,
        ": wanted the keys vocab and merges, found no such keys");
  ids = read_vocabulary(model["vocab"], where + ": vocab", file);
  read_merges(model["merges"], ids, where + ": merges", file);
}

int64_t id_between_documents(const TokenizerFile& file, const std::string& fallback) {
  for (const std::string& spelling : {std::string("<|endoftext|>"), std::string("<|end_of_text|>"), fallback}) {
    for (const AddedToken& token : file.added) {
      if (token.content == spelling) return token.id;
    }
  }
  return -1;
}

// Numbers end with a space and texts begin with their length: no two files are written alike.
std::string hash_of(const TokenizerFile& file) {
  std::string all;
  auto numbers = [&](auto... values) { ((all += std::to_string(static_cast<int64_t>(values)) + ' '), ...); };
  auto text = [&](std::string_view part) {
    numbers(part.size());
    all += part;
  };
  const BytePairVocabulary& vocabulary = file.vocabulary;
  numbers(file.tokens.size(), vocabulary.merges.size(), file.added.size(), file.pretokenizer.steps.size());
  for (const Token& token : file.tokens) {
    numbers(token.kind);
    text(token.bytes);
  }
  for (uint32_t id : vocabulary.byte_ids) numbers(id);
  for (const Merge& merge : vocabulary.merges) numbers(merge.left, merge.right, merge.merged);
  for (const AddedToken& token : file.added) {
    text(token.content);
    numbers(token.id, token.single_word, token.lstrip, token.rstrip, token.normalized, token.special);
  }
  numbers(vocabulary.ignore_merges, file.normal_form, file.pretokenizer.add_prefix_space);
  for (const SplitStep& step : file.pretokenizer.steps) {
    text(step.expression);
    numbers(step.keep_matches, step.keep_rest);
  }
  numbers(file.before.size());
  for (int64_t id : file.before) numbers(id);
  for (int64_t id : file.after) numbers(id);
  numbers(file.end_of_text);
  return hash_hex(all);
}

TokenizerFile from_json(const SortedJson& json, const std::string& where, const std::string& end_of_text) {
  check(json.is_object() && json.contains("model"), where, ": wanted a tokenizer.json with a model, found none");
  TokenizerFile file;
  Ids ids;
  read_model(json["model"], where + ": model", file, ids);
  Json pieces = Json::object();
  for (const auto& [key, value] : json.items()) {
    if (key != "model") pieces[key] = value;
  }
  if (pieces.contains("added_tokens")) read_added_tokens(pieces["added_tokens"], ids, where + ": added_tokens", file);
  read_pieces(pieces, where, file);
  for (const auto* around : {&file.before, &file.after}) {
    for (int64_t id : *around) check(has_token(file, id), where, ": post_processor: id ", id, " is no token's");
  }
  file.end_of_text = id_between_documents(file, end_of_text);
  file.hash = hash_of(file);
  return file;
}

// GPT-2's two files, and the added_tokens.json that CodeGen puts beside them, as the tokenizer.json they stand for.
SortedJson join_files(const std::string& vocab_path, const std::string& folder) {
  SortedJson vocab = parse_sorted_json(read_file(vocab_path), vocab_path), merges = SortedJson::array();
  for (const std::string& line : split(read_file(path_join(folder, "merges.txt")), '\n')) {
    std::string_view merge = trim(line);
    if (!merge.empty() && !merge.starts_with("#version")) merges.push_back(std::string(merge));
  }
  SortedJson added = SortedJson::array();
  if (vocab.is_object() && vocab.contains("<|endoftext|>"))
    added.push_back({{"id", vocab["<|endoftext|>"]}, {"content", "<|endoftext|>"}, {"special", true}});
  std::string more_path = path_join(folder, "added_tokens.json");
  if (exists(more_path)) {
    SortedJson more = parse_sorted_json(read_file(more_path), more_path);
    check(more.is_object(), more_path, ": wanted an object of tokens and ids, found ", more.type_name());
    for (const auto& [content, id] : more.items()) {
      if (content != "<|endoftext|>") added.push_back({{"id", id}, {"content", content}});
    }
  }
  SortedJson byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  return {{"model", {{"type", "BPE"}, {"vocab", std::move(vocab)}, {"merges", std::move(merges)}}},
          {"added_tokens", std::move(added)},
          {"pre_tokenizer", byte_level},
          {"decoder", byte_level}};
}

// eos_token of the tokenizer_config.json in that folder: a text, or an object with one; "" when there is none.
std::string configured_end(const std::string& folder) {
  std::string path = path_join(folder, "tokenizer_config.json");
  if (!exists(path)) return "";
  Json config = read_json(path);
  if (!config.is_object() || !config.contains("eos_token")) return "";
  Json token = config["eos_token"];
  if (token.is_object() && token.contains("content")) token = Json(token["content"]);
  return token.is_string() ? token.get<std::string>() : "";
}

}  // namespace

TokenizerFile parse_tokenizer_json(std::string_view text, const std::string& where, const std::string& end_of_text) {
  return from_json(parse_sorted_json(text, where), where, end_of_text);
}

TokenizerFile read_tokenizer_file(const std::string& path) {
  size_t slash = path.rfind('/');
  std::string folder = is_folder(path) ? path : slash == std::string::npos ? "." : path.substr(0, slash + 1);
  std::string json = is_folder(path) ? path_join(path, "tokenizer.json") : path;
  std::string vocab = is_folder(path) ? path_join(path, "vocab.json") : path;
  if (!(is_folder(path) ? exists(json) : file_name(path) != "vocab.json")) {
    check(exists(vocab) && exists(path_join(folder, "merges.txt")), path,
          ": wanted a tokenizer.json, or a vocab.json with merges.txt, found neither");
    return from_json(join_files(vocab, folder), vocab, configured_end(folder));
  }
  return parse_tokenizer_json(read_file(json), json, configured_end(folder));
}

}  // namespace longhaul
