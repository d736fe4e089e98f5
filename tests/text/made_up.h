// A small tokenizer.json, made up: the 256 bytes, and merges drawn at random or given.
#pragma once
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "base/sorted_json.h"
#include "text/byte_alphabet.h"
#include "text/pipeline_tokenizer.h"

namespace longhaul {

using Pair = std::pair<std::string, std::string>;

// Merges of tokens over `letters` (plain ASCII, which spells itself), no pair twice; two may well make the same token.
inline std::vector<Pair> random_merges(Rng& rng, const std::string& letters, size_t count) {
  std::vector<std::string> tokens;
  for (char c : letters) tokens.emplace_back(1, c);
  std::vector<Pair> merges;
  while (merges.size() < count) {
    Pair pair = {tokens[rng.below(tokens.size())], tokens[rng.below(tokens.size())]};
    if (pair.first.size() + pair.second.size() > 12) continue;
    if (std::find(merges.begin(), merges.end(), pair) != merges.end()) continue;
    merges.push_back(pair);
    tokens.push_back(pair.first + pair.second);
  }
  return merges;
}

// Ids: byte b is b; then the merged tokens in the order of their first merge; added tokens that are new behind them.
inline SortedJson made_up_json(const std::vector<Pair>& merges, const std::vector<SortedJson>& added = {}) {
  SortedJson vocab, list = SortedJson::array(), tokens = SortedJson::array();
  for (int b = 0; b < 256; ++b) vocab[spelling_of(static_cast<unsigned char>(b))] = b;
  for (const auto& [left, right] : merges) {
    list.push_back({left, right});
    if (!vocab.contains(left + right)) vocab[left + right] = vocab.size();
  }
  size_t id = vocab.size();
  for (SortedJson token : added) {
    std::string content = token["content"];
    token["id"] = vocab.contains(content) ? vocab[content].get<size_t>() : id++;
    tokens.push_back(token);
  }
  SortedJson byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  return {{"version", "1.0"},
          {"added_tokens", tokens},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor", byte_level},
          {"decoder", byte_level},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", list}}}};
}

inline PipelineTokenizer made_up_tokenizer(const SortedJson& json) {
  return PipelineTokenizer(parse_tokenizer_json(json.dump(), "tokenizer.json"), "tokenizer.json");
}

inline std::vector<int64_t> ids_of(const Tokenizer& tokenizer, std::string_view text, bool with_special = false) {
  std::vector<int64_t> ids;
  with_special ? tokenizer.encode_with_special(text, ids) : tokenizer.encode(text, ids);
  return ids;
}

}  // namespace longhaul
