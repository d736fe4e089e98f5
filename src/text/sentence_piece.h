// SentencePiece (Kudo and Richardson, arXiv 1808.06226) at work on a tokenizer.model: unigram and BPE.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "text/sentence_piece_model.h"
#include "text/tokenizer.h"
#include "text/tokenizer_file.h"

namespace longhaul {

// encode() and decode() give what the library gives. Control pieces ("<s>") are never found in plain text; with special
// tokens, what stands between them is encoded as a text of its own, and so is what stands between tokens that were added behind the
// pieces. Around a text go the pieces for its beginning and its end, where the config wants them. `hash` is of the file.
std::unique_ptr<Tokenizer> make_sentence_piece(SentencePieceModel model, const TokenizerConfig& config,
                                               std::vector<AddedToken> added, const std::string& hash,
                                               const std::string& where, const std::string& spec);

}  // namespace longhaul
