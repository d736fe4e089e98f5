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
TextIds read_vocabulary(const SortedJson& vocab, const std::string& where, TokenizerFile& file) {
  check(vocab.is_object() && !vocab.empty(), where, ": wanted an object of tokens and ids, found ",
        vocab.is_object() ? "an empty one" : vocab.type_name());
  TextIds ids(vocab.size());
  for (const auto& [token, value] : vocab.get_ref<const SortedJson::object_t&>()) {
    bool good = value.is_number_unsigned() && value.get<uint64_t>() < static_cast<uint64_t>(kLargestVocabulary);
    if (!good)
      fail(where, ": ", in_quotes(token), ": wanted an id in [0, ", kLargestVocabulary, "), found ",
           value.is_number() ? value.dump() : value.type_name());
    auto id = value.get<uint32_t>();
    if (file.has_token(id)) fail(where, ": ", in_quotes(token), ": id ", id, " is another token's already");
    file.put_token(id, {Token::kPlain, token});
    ids.add(token, id);
  }
  return ids;
}

// "left right", or since 2024 ["left", "right"]. `where` and `rank` say where it stands.
std::pair<std::string_view, std::string_view> read_pair(const SortedJson& merge, const std::string& where,
                                                        size_t rank) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
    return {merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>()};
  if (merge.is_string()) {
    const std::string_view both = merge.get_ref<const std::string&>();
    const size_t space = both.find(' ');
    if (space != both.npos && space == both.rfind(' ')) return {both.substr(0, space), both.substr(space + 1)};
  }
  fail(where, "[", rank, "]: wanted two tokens with a space between them, or a list of two, found ",
       merge.dump(-1, ' ', false, SortedJson::error_handler_t::replace).substr(0, 60));
}

// The first line of a merges.txt, which some files have taken over.
bool is_version(const SortedJson& merge) {
  return merge.is_string() && merge.get_ref<const std::string&>().starts_with("#version");
}

// `prefix` goes from the right token when the two become one.
std::vector<Merge> read_merges(const SortedJson& list, const TextIds& ids, const std::string& prefix,
                               const std::string& where) {
  check(list.is_array(), where, ": wanted a list, found ", list.type_name());
  std::vector<Merge> merges;
  merges.reserve(list.size());
  std::string both;
  for (size_t rank = 0; rank < list.size(); ++rank) {
    auto id_of = [&](std::string_view token) {
      const uint32_t* id = ids.find(token);
      if (!id) fail(where, "[", rank, "]: ", in_quotes(token), " is not in the vocabulary");
      return *id;
    };
    if (is_version(list[rank])) continue;
    const auto [left, right] = read_pair(list[rank], where, rank);
    if (right.size() < prefix.size())
      fail(where, "[", rank, "]: ", in_quotes(right), ": wanted ", in_quotes(prefix), " before it");
    both.assign(left).append(right.substr(prefix.size()));
    const uint32_t first = id_of(left), second = id_of(right), merged = id_of(both);
    merges.push_back({first, second, merged, static_cast<uint32_t>(merges.size())});
  }
  return merges;
}

ByteTokens byte_tokens_in(const TextIds& ids) {
  ByteTokens tokens = no_tokens();
  for (unsigned byte = 0; byte < 256; ++byte) {
    char spelling[8];
    std::snprintf(spelling, sizeof spelling, "<0x%02X>", byte);
    if (const uint32_t* id = ids.find(spelling)) tokens[byte] = *id;
  }
  return tokens;
}

// A setting that is a text, null or absent.
std::string text_or_none(JsonReader& settings, const std::string& key) {
  return settings.has(key) && !settings.value(key).is_null() ? settings.string(key) : "";
}

uint32_t unknown_token(const std::string& token, const TextIds& ids, const std::string& where) {
  const uint32_t* id = ids.find(token);
  check(id, where, ": unk_token ", in_quotes(token), " is not in the vocabulary");
  return *id;
}

BytePairVocabulary read_byte_level(const TextIds& ids, const std::string& where) {
  BytePairVocabulary vocabulary;
  for (const auto& [token, id] : ids.entries()) {
    if (auto bytes = bytes_of_spelling(token)) vocabulary.words.emplace_back(std::move(*bytes), id);
  }
  for (int byte = 0; byte < 256; ++byte) {
    std::string spelling = spelling_of(static_cast<unsigned char>(byte));
    const uint32_t* id = ids.find(spelling);
    check(id || !occurs_in_utf8(byte), where, ": no token for the byte ", byte, " (", in_quotes(spelling),
          "): not a byte-level vocabulary");
    vocabulary.byte_ids[static_cast<size_t>(byte)] = id ? *id : MergeTable::kNone;
  }
  return vocabulary;
}

TextIds read_byte_pairs(const SortedJson& model, JsonReader& settings, const std::string& where, TokenizerFile& file) {
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
  TextIds ids = read_vocabulary(model["vocab"], where + ": vocab", file);
  std::vector<Merge> merges = read_merges(model["merges"], ids, prefix, where + ": merges");
  if (byte_level) {  // an unknown token is never needed
    BytePairVocabulary vocabulary = read_byte_level(ids, where + ": vocab");
    vocabulary.merges = std::move(merges);
    vocabulary.ignore_merges = ignore_merges;
    file.model = std::move(vocabulary);
    return ids;
  }
  CharacterPairVocabulary vocabulary;
  vocabulary.tokens.assign(ids.entries().begin(), ids.entries().end());
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
TextIds read_unigram_list(const SortedJson& vocab, const std::string& where, UnigramVocabulary& vocabulary,
                          TokenizerFile& file) {
  check(vocab.is_array() && !vocab.empty() && vocab.size() <= static_cast<size_t>(kLargestVocabulary), where,
        ": wanted a list of 1 to ", kLargestVocabulary, " tokens, found ",
        vocab.is_array() ? std::to_string(vocab.size()) : vocab.type_name());
  TextIds ids(vocab.size());
  for (size_t id = 0; id < vocab.size(); ++id) {
    const SortedJson& entry = vocab[id];
    bool good = entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_number();
    if (!good)
      fail(where, "[", id, "]: wanted a token and its score, found ",
           entry.dump(-1, ' ', false, SortedJson::error_handler_t::replace).substr(0, 60));
    const std::string& token = entry[0].get_ref<const std::string&>();
    file.put_token(static_cast<int64_t>(id), {Token::kPlain, token});
    ids.put(token, static_cast<uint32_t>(id));
    vocabulary.tokens.push_back({token, entry[1].get<double>(), static_cast<uint32_t>(id)});
  }
  return ids;
}

TextIds read_unigram(const SortedJson& model, JsonReader& settings, const std::string& where, TokenizerFile& file) {
  constexpr double kUnknownPenalty = 10;  // below the least likely token
  check(model.contains("vocab"), where, ": wanted the key vocab, found no such key");
  UnigramVocabulary vocabulary;
  TextIds ids = read_unigram_list(model["vocab"], where + ": vocab", vocabulary, file);
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

TextIds read_word_piece(const SortedJson& model, JsonReader& settings, const std::string& where, TokenizerFile& file) {
  check(model.contains("vocab"), where, ": wanted the key vocab, found no such key");
  TextIds ids = read_vocabulary(model["vocab"], where + ": vocab", file);
  WordPieceVocabulary vocabulary;
  vocabulary.tokens.assign(ids.entries().begin(), ids.entries().end());
  vocabulary.unknown = unknown_token(settings.string_or("unk_token", "[UNK]"), ids, where);
  vocabulary.continuing_prefix = settings.string_or("continuing_subword_prefix", "##");
  vocabulary.longest_word = settings.integer_or("max_input_chars_per_word", 100, 0);
  file.model = std::move(vocabulary);
  return ids;
}

}  // namespace

std::string in_quotes(std::string_view text) { return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace); }

TextIds read_model(const SortedJson& model, const std::string& where, TokenizerFile& file) {
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
  TextIds ids;
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
