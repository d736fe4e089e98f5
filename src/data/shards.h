// A data set: a folder of token shards. `longhaul data pack` makes them with a manifest; the bare shards of other programs
// (token_files.h) are read as they are.
//   manifest.json          {format, tokenizer, tokenizer_hash, vocab_size, vocab_size_without_added, end_of_text, dtype, hash,
//                           splits: {train: {tokens, documents, bytes, shards: [tokens of each]}, val: {...}},
//                           sources: [{input, files, documents, bytes, tokens}], skipped: {reason: count}, settings}
//   train_000000.bin ...   little-endian uint16 (vocab <= 65,536) or uint32 ids, nothing else
//   train_documents.bin    uint64 token position where each document of the split begins (its end-of-text id, when there is one)
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "data/token_files.h"

namespace longhaul {

inline constexpr const char* kShardFormat = "longhaul tokens 1";
inline int id_width(int64_t vocab_size) { return vocab_size <= 65'536 ? 2 : 4; }  // bytes per stored id

// One split: shards one behind the other, memory-mapped. Positions are global over the shards. Immutable and thread-safe.
class TokenSplit {
 public:
  int64_t tokens() const { return starts_.back(); }
  int64_t documents() const;                // of bare shards: the first call reads them all
  int64_t bytes() const { return bytes_; }  // of source text (end-of-text ids count nothing); -1: unknown (bare shards)
  const std::vector<int64_t>& shard_starts() const { return starts_; }  // [shards + 1]
  // Copies tokens [start, start + out.size()); Error when that leaves the split or an id is outside the vocabulary.
  void read(int64_t start, std::span<int64_t> out) const;
  int64_t document_start(int64_t i) const;
  // Positions of [start, start + count) where a document begins. Bare shards: 0 and each end-of-text id, found on the spot.
  std::vector<int64_t> document_starts(int64_t start, int64_t count) const;
  const std::string& name() const { return name_; }

 private:
  friend class Dataset;
  static TokenSplit open(const std::string& folder, const std::string& name, JsonReader entry, int64_t vocab);
  void add_file(std::shared_ptr<const MappedFile> file, const TokenRegion& region);
  void check_documents(const std::string& path) const;
  std::vector<int64_t> found_starts(int64_t start, int64_t count) const;
  struct Shard {
    std::shared_ptr<const MappedFile> file;
    int64_t offset;  // bytes before its ids
  };
  struct FoundDocuments {  // of bare shards
    std::once_flag once;
    std::vector<int64_t> starts;
  };
  const std::vector<int64_t>& all_found() const;
  std::string name_;
  std::vector<Shard> shards_;
  std::shared_ptr<const MappedFile> documents_;  // bare shards have none, but
  std::shared_ptr<FoundDocuments> found_;
  std::vector<int64_t> starts_{0};
  int64_t bytes_ = -1, vocab_ = 0, end_of_text_ = -1;
  int width_ = 2;
};

class Dataset {
 public:
  // Checks the manifest against the files (sizes, dtype, counts, document starts); Error says which disagrees. Reads no
  // tokens: ids are checked as they are read. `tokenizer` names that of bare shards, which cannot say; without it their
  // vocabulary and end of text are what token_convention() says. Error when a manifest names another.
  static Dataset open(const std::string& folder, const std::string& tokenizer = "");
  // Reads everything: every id in the vocabulary, the hash as promised. Any folder gives an Error or passes (fuzzed).
  void verify() const;
  const TokenSplit& split(const std::string& name) const;  // "train" or "val"; Error when absent or empty
  bool has_split(const std::string& name) const;           // and it has tokens
  const std::vector<TokenSplit>& splits() const { return splits_; }
  int64_t vocab_size() const { return vocab_; }
  int64_t vocab_size_without_added() const {
    return vocab_without_added_;
  }                                                            // as the tokenizer's; what a model must have
  const std::string& tokenizer() const { return tokenizer_; }  // "": bare shards, and nobody named it
  const std::string& tokenizer_hash() const { return tokenizer_hash_; }
  int64_t end_of_text() const { return end_of_text_; }  // -1: none
  // Of all tokens and the tokenizer. Of bare shards: of names, sizes and some blocks of each file (there may be 20 GB).
  const std::string& hash() const { return hash_; }
  const Json& manifest() const { return manifest_; }
  const std::string& folder() const { return folder_; }

 private:
  void open_packed(const std::string& path);
  void open_bare(const std::string& tokenizer);
  bool is_bare() const { return !manifest_.contains("hash"); }
  std::string folder_, tokenizer_, tokenizer_hash_, hash_;
  int64_t vocab_ = 0, vocab_without_added_ = 0, end_of_text_ = -1;
  Json manifest_;
  std::vector<TokenSplit> splits_;
};

// Names and hash of the format, shared by reader and writer. The hash does not depend on where the shards are cut.
std::string shard_path(const std::string& folder, const std::string& split, int64_t index);
std::string documents_path(const std::string& folder, const std::string& split);
void add_split_hash(Hasher& hasher, const std::string& split, const std::string& tokens_hex,
                    std::span<const std::byte> document_starts);

}  // namespace longhaul
