// A tokenizer.json at work: added tokens out, the rest normalised, cut into pieces, each piece made into tokens by the
// model.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "text/tokenizer.h"
#include "text/tokenizer_file.h"

namespace longhaul {

// Bytes that are no UTF-8 are read as U+FFFD, as Python's errors="replace" does: a text is Unicode to these tokenizers.
class PipelineTokenizer : public Tokenizer {
 public:
  PipelineTokenizer(TokenizerFile file, std::string spec);
  int64_t vocab_size() const override { return static_cast<int64_t>(file_.tokens.size()); }
  int64_t vocab_size_without_added() const override { return own_size_; }
  int64_t end_of_text() const override { return file_.end_of_text; }
  void encode(std::string_view text, std::vector<int64_t>& ids) const override { encode_bytes(text, false, ids); }
  void encode_with_special(std::string_view text, std::vector<int64_t>& ids) const override {
    encode_bytes(text, true, ids);
  }
  std::vector<int64_t> before_text() const override { return file_.before; }
  std::vector<int64_t> after_text() const override { return file_.after; }
  std::unique_ptr<Decoding> start_decoding(bool with_special) const override;
  std::string piece(int64_t id) const override { return token_of(id, 0).text; }
  size_t safe_cut(std::string_view text, size_t from) const override;
  std::string hash() const override { return file_.hash; }
  std::string spec() const override { return spec_; }

 private:
  using Encoder = std::variant<BytePairEncoder, CharacterPairEncoder, UnigramEncoder<double>, WordPieceEncoder>;
  class Bytes;  // the decodings: of bytes, and by steps
  class Steps;
  void encode_bytes(std::string_view bytes, bool with_special, std::vector<int64_t>& ids) const;
  void encode_between(std::string_view text, bool first, bool with_special, Pattern::Scratch* scratch,
                      std::vector<int64_t>& ids) const;
  void encode_plain(std::string_view text, bool first, Pattern::Scratch* scratch, std::vector<int64_t>& ids) const;
  const Token& token_of(int64_t id, int64_t position) const;
  TokenizerFile file_;
  std::string spec_;
  Encoder encoder_;
  AddedTokenFinder raw_, normalized_;  // tokens looked for before, after normalising
  bool cuttable_;
  int64_t own_size_;
};

}  // namespace longhaul
