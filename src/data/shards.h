// A packed data set: a folder of token shards with a manifest.
//   manifest.json          {format, tokenizer, tokenizer_hash, vocab_size, end_of_text, dtype, splits: {train: {...}, val: {...}}, sources, hash}
//   train_000000.bin ...   little-endian uint16 (vocab <= 65,536) or uint32 ids, nothing else
//   train_documents.bin    uint64 token position where each document of the split begins (its end-of-text id, when there is one)
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"

namespace longhaul {

// One split: shards one behind the other, memory-mapped. Positions are global over the shards. Immutable and thread-safe.
class TokenSplit {
 public:
  int64_t tokens() const { return starts_.back(); }
  int64_t documents() const;
  int64_t bytes() const { return bytes_; }  // of source text, for bits per byte (end-of-text ids count nothing)
  const std::vector<int64_t>& shard_starts() const { return starts_; }  // [shards + 1]
  // Copies tokens [start, start + out.size()); Error when that leaves the split or an id is outside the vocabulary.
  void read(int64_t start, std::span<int64_t> out) const;
  int64_t document_start(int64_t i) const;
  const std::string& name() const { return name_; }

 private:
  friend class Dataset;
  std::string name_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::shared_ptr<const MappedFile> documents_;
  std::vector<int64_t> starts_{0};
  int64_t bytes_ = 0, vocab_ = 0;
  int width_ = 2;
};

class Dataset {
 public:
  // Checks the manifest against the files (sizes, dtype, counts); Error says which disagrees.
  static Dataset open(const std::string& folder);
  const TokenSplit& split(const std::string& name) const;  // "train" or "val"; Error when absent or empty
  bool has_split(const std::string& name) const;
  int64_t vocab_size() const { return vocab_; }
  const std::string& tokenizer() const { return tokenizer_; }
  const std::string& hash() const { return hash_; }  // of all tokens and the tokenizer
  const Json& manifest() const { return manifest_; }
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_, tokenizer_, hash_;
  int64_t vocab_ = 0;
  Json manifest_;
  std::vector<TokenSplit> splits_;
};

}  // namespace longhaul
