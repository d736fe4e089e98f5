// Mistral's tekken.json: {"config": {"pattern": "...", "default_vocab_size": 131072, "default_num_special_tokens":
// 1000, ...}, "vocab": [{"rank": 0, "token_bytes": "AA==", "token_str": null}, ...], "special_tokens": [{"rank": 0,
// "token_str": "<unk>", "is_control": true}, ...]}. Ids: the special tokens, then the vocabulary by rank.
#include <algorithm>

#include "base/error.h"
#include "base/sorted_json.h"
#include "text/byte_alphabet.h"
#include "text/charsmap.h"
#include "text/tokenizer_model.h"

namespace longhaul {

namespace {

// The special tokens of files that do not list theirs (up to version 7 of the tokenizer).
constexpr const char* kFirstSpecialTokens[] = {"<unk>",
                                               "<s>",
                                               "</s>",
                                               "[INST]",
                                               "[/INST]",
                                               "[AVAILABLE_TOOLS]",
                                               "[/AVAILABLE_TOOLS]",
                                               "[TOOL_RESULTS]",
                                               "[/TOOL_RESULTS]",
                                               "[TOOL_CALLS]",
                                               "[IMG]",
                                               "<pad>",
                                               "[IMG_BREAK]",
                                               "[IMG_END]",
                                               "[PREFIX]",
                                               "[MIDDLE]",
                                               "[SUFFIX]",
                                               "[SYSTEM_PROMPT]",
                                               "[/SYSTEM_PROMPT]",
                                               "[TOOL_CONTENT]"};

std::string filler_token(int64_t rank) { return str("<SPECIAL_", rank, ">"); }

void read_special_tokens(const SortedJson& json, int64_t count, const std::string& where, TokenizerFile& file) {
  std::vector<std::string> spellings;
  for (int64_t rank = 0; rank < count; ++rank) {
    bool known = rank < static_cast<int64_t>(std::size(kFirstSpecialTokens));
    spellings.push_back(known ? kFirstSpecialTokens[rank] : filler_token(rank));
  }
  if (json.contains("special_tokens") && !json["special_tokens"].is_null()) {
    const SortedJson& list = json["special_tokens"];
    check(list.is_array() && list.size() <= static_cast<size_t>(count), where,
          ": special_tokens: wanted a list of at most ", count, ", found ",
          list.is_array() ? std::to_string(list.size()) : list.type_name());
    for (int64_t rank = 0; rank < count; ++rank) spellings[static_cast<size_t>(rank)] = filler_token(rank);
    for (size_t i = 0; i < list.size(); ++i) {
      const Json token = list[i];
      JsonReader reader(token, str(where, ": special_tokens[", i, "]"));
      spellings[static_cast<size_t>(reader.integer("rank", 0, count - 1))] = reader.string("token_str");
    }
  }
  for (int64_t id = 0; id < count; ++id) {
    AddedToken token;
    token.content = spellings[static_cast<size_t>(id)];
    check(!token.content.empty(), where, ": special_tokens: rank ", id, ": wanted a text, found \"\"");
    token.id = static_cast<uint32_t>(id);
    token.special = true;
    file.put_token(id, {Token::kSpecial, token.content});
    file.added.push_back(std::move(token));
  }
}

// The bytes of the first `count` tokens, by rank.
std::vector<std::string> read_vocabulary(const SortedJson& vocab, size_t count, const std::string& where) {
  check(count >= 256, where, ": wanted at least 256 tokens, the config leaves room for ", count);
  check(vocab.is_array() && vocab.size() >= count, where, ": wanted a list of at least ", count, " tokens, found ",
        vocab.is_array() ? std::to_string(vocab.size()) : vocab.type_name());
  std::vector<std::string> tokens;
  for (size_t rank = 0; rank < count; ++rank) {
    const SortedJson& token = vocab[rank];
    const std::string here = where + "[" + std::to_string(rank) + "]";
    const bool in_place = token.is_object() && token.contains("rank") && token["rank"].is_number_integer();
    check(in_place && token["rank"] == rank, here, ": wanted rank ", rank);
    check(token.contains("token_bytes") && token["token_bytes"].is_string(), here, ": token_bytes: wanted a string");
    tokens.push_back(bytes_of_base64(token["token_bytes"].get_ref<const std::string&>(), here + ": token_bytes"));
    check(!tokens.back().empty() && tokens.back().size() <= kLongestToken, here, ": token_bytes: wanted 1 to ",
          kLongestToken, " bytes, found ", tokens.back().size());
  }
  return tokens;
}

// As tiktoken does it: the neighbours that together are the token of the lowest rank become one. So every two tokens
// that make a third are a merge, of its rank.
BytePairVocabulary vocabulary_of(const std::vector<std::string>& tokens, uint32_t first_id, const std::string& where) {
  BytePairVocabulary vocabulary;
  TextIds ids(tokens.size());
  for (size_t rank = 0; rank < tokens.size(); ++rank) {
    uint32_t id = first_id + static_cast<uint32_t>(rank);
    bool is_new = ids.add(tokens[rank], id);
    check(is_new, where, "[", rank, "]: its bytes are another token's already");
    vocabulary.words.emplace_back(tokens[rank], id);
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    const uint32_t* id = ids.find(std::string(1, static_cast<char>(byte)));
    check(id, where, ": no token for the byte ", byte);
    vocabulary.byte_ids[byte] = *id;
  }
  for (size_t rank = 0; rank < tokens.size(); ++rank) {
    std::string_view token = tokens[rank];
    for (size_t cut = 1; cut < token.size(); ++cut) {
      const uint32_t* left = ids.find(token.substr(0, cut));
      const uint32_t* right = left ? ids.find(token.substr(cut)) : nullptr;
      if (!right) continue;
      uint32_t merged = first_id + static_cast<uint32_t>(rank);
      vocabulary.merges.push_back({*left, *right, merged, static_cast<uint32_t>(rank)});
    }
  }
  vocabulary.ignore_merges = true;
  return vocabulary;
}

}  // namespace

TokenizerFile parse_tekken_json(std::string_view text, const std::string& where) {
  const SortedJson json = parse_sorted_json(text, where);
  bool good = json.is_object() && json.contains("config") && json.contains("vocab");
  check(good, where, ": wanted a tekken.json with config and vocab, found none");
  const Json settings = json["config"];
  JsonReader config(settings, where + ": config");
  const int64_t special = config.integer("default_num_special_tokens", 1, kLargestVocabulary),
                size = config.integer("default_vocab_size", special, kLargestVocabulary);
  const Json split = {{"type", "Split"}, {"pattern", {{"Regex", config.string("pattern")}}}, {"behavior", "Isolated"}};
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  const Json pieces = {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level})}};
  TokenizerFile file;
  file.pretokenizer = Pretokenizer(pieces, where + ": config: pattern");
  file.decoder = TokenDecoder(byte_level, where);
  read_special_tokens(json, special, where, file);
  const auto tokens = read_vocabulary(json["vocab"], static_cast<size_t>(size - special), where + ": vocab");
  for (size_t rank = 0; rank < tokens.size(); ++rank) {
    std::string spelling;
    for (char byte : tokens[rank]) spelling += spelling_of(static_cast<unsigned char>(byte));
    file.put_token(special + static_cast<int64_t>(rank), {Token::kPlain, spelling});
  }
  file.model = vocabulary_of(tokens, static_cast<uint32_t>(special), where + ": vocab");
  for (const AddedToken& token : file.added) {
    if (token.content == "<s>") file.before = {token.id};
    if (token.content == "</s>") file.end_of_text = token.id;
  }
  file.hash = meaning_hash(file);
  return file;
}

}  // namespace longhaul
