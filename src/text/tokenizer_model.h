// The model of a tokenizer.json: its type, vocabulary, merges and settings.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/sorted_json.h"
#include "text/tokenizer_file.h"

namespace longhaul {

// Ids by a token's spelling; the keys point into the JSON.
using TokenIds = std::unordered_map<std::string_view, uint32_t>;

std::string in_quotes(std::string_view text);  // as JSON, whatever its bytes

// Reads file.model and file.tokens; `file.pretokenizer` is known, and says whether tokens are spelled-out bytes. Error,
// naming the place, when it is broken or not supported.
TokenIds read_model(const SortedJson& model, const std::string& where, TokenizerFile& file);

}  // namespace longhaul
