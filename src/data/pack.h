// `longhaul data pack`: text files, trees, JSONL, Parquet (documents.h) -> a packed data set (shards.h).
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/documents.h"

namespace longhaul {

struct PackOptions {
  std::vector<std::string> inputs;  // files or folders; how a file is read depends on its name (documents.h)
  std::string output;               // folder; made whole or not at all
  std::string tokenizer = "bytes";
  std::string field = "text";           // of a record (JSONL, Parquet)
  std::vector<std::string> extensions;  // when given, only files that end so (".h")
  std::vector<std::string> exclude;     // path fragments to leave out
  int64_t min_bytes = 1;                // smaller documents are left out, and counted; empty ones always
  int64_t shard_tokens = 100'000'000;
  int64_t val_every = 16;  // a document goes to `val` when its name's hash is 0 modulo this; 0: no val split
  int threads = 1;
  // Called before a piece is written, by one thread at a time; what it throws ends it all.
  std::function<void()> before_each;
};

// Error unless the options make sense and the output does not exist yet. plan_pack() and pack() rely on it.
void check_pack_options(const PackOptions& options);

struct PackPlan {
  std::vector<SourceFile> files;  // in reading order: inputs as given, files bytewise
  int64_t excluded = 0, other_extension = 0, too_small = 0, reached_twice = 0;  // files left out
  int64_t bytes = 0;                                                            // of all files
  Json left_out() const;                                                        // {reason: files}
};
// Lists and filters; a file reached twice (nested inputs, links) is read once. Error when an input is missing or no file is left.
PackPlan plan_pack(const PackOptions& options);
// "train" or "val".
const char* split_of(const std::string& document_name, int64_t val_every);

// Deterministic: the same bytes for the same inputs on any thread count. Each document is [end_of_text] ++ ids. At most one
// document (or about 1 MiB of small ones) per thread is in memory. Error when the output exists, a file cannot be read or
// parsed, or no document is left: nothing is left behind then.
void pack(const PackOptions& options);

}  // namespace longhaul
