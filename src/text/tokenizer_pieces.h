// The small pieces of a tokenizer.json: everything but vocabulary, merges and added tokens.
#pragma once
#include <string>

#include "base/json.h"
#include "text/tokenizer_file.h"

namespace longhaul {

// The model's settings beside its tables. Error on one that byte-level BPE does not have.
void read_model_settings(const Json& settings, const std::string& where, BytePairVocabulary& vocabulary);
// normalizer, pre_tokenizer, post_processor, decoder. Normalises the contents of added tokens where they want it.
void read_pieces(const Json& pieces, const std::string& where, TokenizerFile& file);

}  // namespace longhaul
