// Writes one split of a packed data set: shards, document starts, counts and a content hash.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/json.h"

namespace longhaul {

// A file written in pieces and fsynced at the end. Errors name the path and the system's reason.
class OutputFile {
 public:
  OutputFile() = default;
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  void open(const std::string& path);
  bool is_open() const { return fd_ >= 0; }
  void write(std::span<const std::byte> bytes);
  void close();

 private:
  void flush();
  std::string path_;
  std::vector<std::byte> buffer_;
  int fd_ = -1;
};

// Ids as little-endian numbers of `width` bytes (2 or 4), which they must fit.
void narrow_ids(std::span<const int64_t> ids, int width, std::vector<std::byte>& out);

class SplitWriter {
 public:
  SplitWriter(std::string folder, std::string name, int64_t vocab_size, int64_t shard_tokens);
  // `ids`: the document with its end-of-text id in front; `source_bytes`: of its text.
  void add_document(std::span<const int64_t> ids, int64_t source_bytes);
  void finish(Hasher& all);     // closes the files and adds the split to the data set's hash
  Json manifest_entry() const;  // {tokens, documents, bytes, shards}
  const std::string& name() const { return name_; }
  int64_t tokens() const { return tokens_; }
  int64_t documents() const { return documents_; }

 private:
  void add_ids(std::span<const int64_t> ids);
  std::string folder_, name_;
  int64_t vocab_, shard_tokens_;
  int64_t tokens_ = 0, documents_ = 0, bytes_ = 0;
  std::vector<int64_t> shards_;  // tokens of each
  std::vector<std::byte> encoded_;
  OutputFile shard_file_, document_file_;
  Hasher token_hash_;
};

}  // namespace longhaul
