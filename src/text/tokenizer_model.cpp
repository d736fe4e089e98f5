#include "text/tokenizer_model.h"

#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "base/strings.h"
#include "text/byte_alphabet.h"

namespace longhaul {

namespace {

// A vocabulary leaves bytes out that UTF-8 never holds (GPT-NeoX's does).
bool occurs_in_utf8(int byte) { return byte != 0xC0 && byte != 0xC1 && byte < 0xF5; }

// {"!": 0, ...}
TokenIds read_vocabulary(const SortedJson& vocab, const std::string& where, TokenizerFile& file) {
  check(vocab.is_object() && !vocab.empty(), where, ": wanted an object of tokens and ids, found ",
        vocab.is_object() ? "an empty one" : vocab.type_name());
  TokenIds ids;
  ids.reserve(vocab.size());
  for (const auto& [token, value] : vocab.items()) {
    bool good = value.is_number_unsigned() && value.get<uint64_t>() < static_cast<uint64_t>(kLargestVocabulary);
    check(good, where, ": ", in_quotes(token), ": wanted an id in [0, ", kLargestVocabulary, "), found ",
          value.is_number() ? value.dump() : value.type_name());
    auto id = value.get<uint32_t>();
    check(!file.has_token(id), where, ": ", in_quotes(token), ": id ", id, " is another token's already");
    file.put_token(id, {Token::kPlain, token});
    ids.emplace(token, id);
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

// `prefix` goes from the right token when the two become one.
std::vector<Merge> read_merges(const SortedJson& list, const TokenIds& ids, const std::string& prefix,
                               const std::string& where) {
  check(list.is_array(), where, ": wanted a list, found ", list.type_name());
  std::vector<Merge> merges;
  merges.reserve(list.size());
  for (size_t rank = 0; rank < list.size(); ++rank) {
    auto id_of = [&](const std::string& token) {
      auto it = ids.find(token);
      check(it != ids.end(), where, "[", rank, "]: ", in_quotes(token), " is not in the vocabulary");
      return it->second;
    };
    auto [left, right] = read_pair(list[rank], str(where, "[", rank, "]"));
    check(right.size() >= prefix.size(), where, "[", rank, "]: ", in_quotes(right), ": wanted ", in_quotes(prefix),
          " before it");
    uint32_t first = id_of(left), second = id_of(right), merged = id_of(left + right.substr(prefix.size()));
    merges.push_back({first, second, merged, static_cast<uint32_t>(rank)});
  }
  return merges;
}

ByteTokens byte_tokens_in(const TokenIds& ids) {
  ByteTokens tokens = no_tokens();
  for (unsigned byte = 0; byte < 256; ++byte) {
    char spelling[8];
    std::snprintf(spelling, sizeof spelling, "<0x%02X>", byte);
    if (auto it = ids.find(spelling); it != ids.end()) tokens[byte] = it->second;
  }
  return tokens;
}

// A setting that is a text, null or absent.
std::string text_or_none(JsonReader& settings, const std::string& key) {
  return settings.has(key) && !settings.value(key).is_null() ? settings.string(key) : "";
}

uint32_t unknown_token(const std::string& token, const TokenIds& ids, const std::string& where) {
  auto it = ids.find(token);
  check(it != ids.end(), where, ": unk_token ", in_quotes(token), " is not in the vocabulary");
  return it->second;
}

BytePairVocabulary read_byte_level(const TokenIds& ids, const std::string& where) {
  BytePairVocabulary vocabulary;
  for (const auto& [token, id] : ids) {
    if (auto bytes = bytes_of_spelling(token)) vocabulary.words.emplace_back(std::move(*bytes), id);
  }
  for (int byte = 0; byte < 256; ++byte) {
    std::string spelling = spelling_of(static_cast<unsigned char>(byte));
    auto it = ids.find(spelling);
    check(it != ids.end() || !occurs_in_utf8(byte), where, ": no token for the byte ", byte, " (", in_quotes(spelling),
          "): not a byte-level vocabulary");
    vocabulary.byte_ids[static_cast<size_t>(byte)] = it == ids.end() ? MergeTable::kNone : it->second;
  }
  return vocabulary;
}

TokenIds read_byte_pairs(const SortedJson& model, JsonReader& settings, const std::string& where, TokenizerFile& file) {
  check(model.contains("vocab") && model.contains("merges"), where,
        ": wanted the keys vocab and merges, found no such keys");
  const bool byte_level = file.pretokenizer.byte_level(), ignore_merges = settings.boolean_or("ignore_merges", false);
  const bool fuse_unknown = settings.boolean_or("fuse_unk", false), bytes = settings.boolean_or("byte_fallback", false);
  const std::string prefix = text_or_none(settings, "continuing_subword_prefix"),
                    suffix = text_or_none(settings, "end_of_word_suffix"),
                    unknown = text_or_none(settings, "unk_token");
  check(!byte_level || (prefix.empty() && suffix.empty()), where,
        ": continuing_subword_prefix and end_of_word_suffix are not supported with ByteLevel (wanted null)");
  if (settings.has("dropout")) {
    const Json& dropout = settings.value("dropout");
    check(dropout.is_null() || dropout == 0, where, ": dropout is not supported (wanted null)");
  }
  TokenIds ids = read_vocabulary(model["vocab"], where + ": vocab", file);
  std::vector<Merge> merges = read_merges(model["merges"], ids, prefix, where + ": merges");
  if (byte_level) {  // an unknown token is never needed
    BytePairVocabulary vocabulary = read_byte_level(ids, where + ": vocab");
    vocabulary.merges = std::move(merges);
    vocabulary.ignore_merges = ignore_merges;
    file.model = std::move(vocabulary);
    return ids;
  }
  CharacterPairVocabulary vocabulary;
  vocabulary.tokens.assign(ids.begin(), ids.end());
  vocabulary.merges = std::move(merges);
  if (bytes) vocabulary.byte_tokens = byte_tokens_in(ids);
  if (settings.has("unk_token") && !settings.value("unk_token").is_null())
    vocabulary.unknown = unknown_token(unknown, ids, where);
  vocabulary.fuse_unknown = fuse_unknown;
  vocabulary.ignore_merges = ignore_merges;
  vocabulary.continuing_prefix = prefix;
  vocabulary.end_suffix = suffix;
  file.model = std::move(vocabulary);
  return ids;
}

// [["<unk>", 0], ["a", -2.5], ...]: ids are places in the list.
TokenIds read_unigram_list(const SortedJson& vocab, const std::string& where, UnigramVocabulary& vocabulary,
                           TokenizerFile& file) {
  check(vocab.is_array() && !vocab.empty() && vocab.size() <= static_cast<size_t>(kLargestVocabulary), where,
        ": wanted a list of 1 to ", kLargestVocabulary, " tokens, found ",
        vocab.is_array() ? std::to_string(vocab.size()) : vocab.type_name());
  TokenIds ids;
  for (size_t id = 0; id < vocab.size(); ++id) {
    const SortedJson& entry = vocab[id];
    bool good = entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_number();
    check(good, where, "[", id, "]: wanted a token and its score, found ",
          entry.dump(-1, ' ', false, SortedJson::error_handler_t::replace).substr(0, 60));
    const std::string& token = entry[0].get_ref<const std::string&>();
    file.put_token(static_cast<int64_t>(id), {Token::kPlain, token});
    ids[token] = static_cast<uint32_t>(id);
    vocabulary.tokens.push_back({token, entry[1].get<double>(), static_cast<uint32_t>(id)});
  }
  return ids;
}

TokenIds read_unigram(const SortedJson& model, JsonReader& settings, const std::string& where, TokenizerFile& file) {
  constexpr double kUnknownPenalty = 10;  // below the least likely token
  check(model.contains("vocab"), where, ": wanted the key vocab, found no such key");
  UnigramVocabulary vocabulary;
  TokenIds ids = read_unigram_list(model["vocab"], where + ": vocab", vocabulary, file);
  if (settings.has("unk_id") && !settings.value("unk_id").is_null()) {
    auto last = static_cast<int64_t>(vocabulary.tokens.size()) - 1;
    vocabulary.unknown = static_cast<uint32_t>(settings.integer("unk_id", 0, last));
  }
  if (settings.boolean_or("byte_fallback", false)) vocabulary.byte_tokens = byte_tokens_in(ids);
  auto least = std::min_element(vocabulary.tokens.begin(), vocabulary.tokens.end(),
                                [](const auto& a, const auto& b) { return a.score < b.score; });
  vocabulary.unknown_score = least->score - kUnknownPenalty;
  file.model = std::move(vocabulary);
  return ids;
}

TokenIds read_word_piece(const SortedJson& model, JsonReader& settings, const std::string& where, TokenizerFile& file) {
  check(model.contains("vocab"), where, ": wanted the key vocab, found no such key");
  TokenIds ids = read_vocabulary(model["vocab"], where + ": vocab", file);
  WordPieceVocabulary vocabulary;
  vocabulary.tokens.assign(ids.begin(), ids.end());
  vocabulary.unknown = unknown_token(settings.string_or("unk_token", "[UNK]"), ids, where);
  vocabulary.continuing_prefix = settings.string_or("continuing_subword_prefix", "##");
  vocabulary.longest_word = settings.integer_or("max_input_chars_per_word", 100, 0);
  file.model = std::move(vocabulary);
  return ids;
}

}  // namespace

std::string in_quotes(std::string_view text) { return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace); }

TokenIds read_model(const SortedJson& model, const std::string& where, TokenizerFile& file) {
  check(model.is_object(), where, ": wanted an object, found ", model.type_name());
  std::string type = model.contains("type") && model["type"].is_string() ? model["type"] : SortedJson("BPE");
  check(type == "BPE" || !file.pretokenizer.byte_level(), where, ": type ", in_quotes(type),
        " is not supported behind ByteLevel (wanted BPE)");
  Json object = Json::object();
  for (const auto& [key, value] : model.items()) {
    if (key != "vocab" && key != "merges") object[key] = value;
  }
  JsonReader settings(object, where);
  settings.ignore("type");
  TokenIds ids;
  if (type == "BPE") {
    ids = read_byte_pairs(model, settings, where, file);
  } else if (type == "Unigram") {
    ids = read_unigram(model, settings, where, file);
  } else if (type == "WordPiece") {
    ids = read_word_piece(model, settings, where, file);
  } else {
    fail(where, ": type ", in_quotes(type), " is not supported (wanted BPE, Unigram or WordPiece)");
  }
  settings.finish();
  return ids;
}

}  // namespace longhaul
