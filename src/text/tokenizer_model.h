// The model of a tokenizer.json: its type, vocabulary, merges and settings.
#pragma once
#include <string>
#include <string_view>

#include "base/sorted_json.h"
#include "text/text_ids.h"
#include "text/tokenizer_file.h"

namespace longhaul {

std::string in_quotes(std::string_view text);  // as JSON, whatever its bytes

// Reads file.model and file.tokens, and gives the ids of its spellings, which lie in the JSON; `file.pretokenizer` is known, and
// says whether tokens are spelled-out bytes. Error, naming the place, when it is broken or not supported.
TextIds read_model(const SortedJson& model, const std::string& where, TokenizerFile& file);

}  // namespace longhaul
