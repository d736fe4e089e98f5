// Text <-> token ids. Tokenizers register themselves (`bytes`) or are files (tokenizer.json, tokenizer.model, ...).
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/registry.h"
#include "base/spec.h"

namespace longhaul {

// Ids of one text to bytes, one at a time: what push() and finish() append, joined, is what decode() gives for all of
// them. The tokenizer must live longer.
class Decoding {
 public:
  virtual ~Decoding() = default;
  virtual void push(int64_t id, std::string& bytes) = 0;  // Error on an id outside the vocabulary
  virtual void finish(std::string& /*bytes*/) {}          // what was held back; the text is over then
};

// Immutable; every call may run on many threads at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // Ids are in [0, vocab_size()). A model may have a larger vocabulary than its tokenizer (a multiple of 64 or 128
  // makes the head's products faster): the padding ids never occur in text, and decode() rejects them.
  virtual int64_t vocab_size() const = 0;
  // Ids without those of tokens that were only added behind the vocabulary: a model may have no rows for these
  // (Gemma 3's image token), and then they never come.
  virtual int64_t vocab_size_without_added() const { return vocab_size(); }
  virtual int64_t end_of_text() const = 0;  // id put between documents, -1 when there is none
  // Appends the ids of `text` (plain text: special tokens typed in it are not special).
  virtual void encode(std::string_view text, std::vector<int64_t>& ids) const = 0;
  // The same, but special tokens written out in the text ("<|endoftext|>") become their ids.
  virtual void encode_with_special(std::string_view text, std::vector<int64_t>& ids) const { encode(text, ids); }
  // What a model of this tokenizer expects around every text (Llama-3: <|begin_of_text|> before it); most expect
  // nothing.
  virtual std::vector<int64_t> before_text() const { return {}; }
  virtual std::vector<int64_t> after_text() const { return {}; }
  // With special tokens written out where they have a spelling, or without them.
  virtual std::unique_ptr<Decoding> start_decoding(bool with_special) const = 0;
  // Bytes of the ids; special tokens give nothing. Error on an id outside the vocabulary.
  std::string decode(const std::vector<int64_t>& ids) const { return decode_all(ids, false); }
  // The same, with special tokens written out.
  std::string decode_with_special(const std::vector<int64_t>& ids) const { return decode_all(ids, true); }
  // A token as the vocabulary has it ("▁the", "<0x0A>", "</s>"); of tokens that are bytes, the bytes. Error on an id
  // outside the vocabulary.
  virtual std::string piece(int64_t id) const { return decode_with_special({id}); }
  // The first place at or behind `from` where `text` may be cut so that both parts, encoded one after the other, give
  // the ids of the whole; text.size() when there is none.
  virtual size_t safe_cut(std::string_view text, size_t /*from*/) const { return text.size(); }
  virtual std::string hash() const = 0;  // of everything that decides the ids: goes into manifests
  virtual std::string spec() const = 0;  // what make_tokenizer reads back: "bytes", a path

 private:
  std::string decode_all(const std::vector<int64_t>& ids, bool with_special) const;
};

using TokenizerFactory = std::function<std::unique_ptr<Tokenizer>(Spec&)>;
Registry<TokenizerFactory>& Tokenizers();
// A registered name, or a path: of a file (tokenizer_files()), or of a folder that holds one. Error when it is neither,
// or names the piece of the file that is not supported.
std::unique_ptr<Tokenizer> make_tokenizer(const std::string& spec);

std::unique_ptr<Tokenizer> make_tokenizer_of_file(const std::string& path);  // make_tokenizer for a path

// The files that make_tokenizer reads for a path, and the names by which it finds them in a folder. A folder is
// searched for tokenizer.json, tokenizer.model, tekken.json, rwkv_vocab*.txt, vocab.json with merges.txt, in this
// order. Empty when there is none.
struct NamedFile {
  std::string path, name;
};
std::vector<NamedFile> tokenizer_files(const std::string& path);

// Pieces of about so many bytes, which encoded one after the other give the ids of the whole text. A stretch without a
// safe place to cut is one piece.
std::vector<std::string_view> safe_pieces(const Tokenizer& tokenizer, std::string_view text, size_t bytes);

// encode() or encode_with_special() on several threads, cut at safe places: the same ids on any number of threads.
void encode_parallel(const Tokenizer& tokenizer, std::string_view text, int threads, std::vector<int64_t>& ids,
                     bool with_special = false);

}  // namespace longhaul
