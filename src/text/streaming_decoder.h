// Ids to text one at a time, for people who watch: what comes out is always whole characters.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "text/tokenizer.h"

namespace longhaul {

// Everything returned, joined, is to_utf8(tokenizer.decode(all ids)): a character that is cut between tokens is held
// back until it is whole, and so is what a later token may still change (a run of SentencePiece's byte tokens); bytes
// that can no longer become a character are U+FFFD at once. Special tokens give nothing.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}  // which must live longer
  // The first ids of a text, whose own text is known: what is pushed goes on from it. Error as push().
  void skip(std::span<const int64_t> ids);
  std::string push(int64_t id);  // text that is now certain, possibly ""; Error on an id outside the vocabulary
  std::string finish();          // U+FFFD when the ids ended inside a character, else ""; then a new text may begin

 private:
  std::string whole_characters();
  std::string without_known(const std::string& text);
  const Tokenizer* tokenizer_;
  std::unique_ptr<Decoding> decoding_;  // null between texts
  std::string held_back_;               // at most 3 bytes between calls
  std::string known_;                   // of the skipped ids' text, what is still to come out
};

}  // namespace longhaul
