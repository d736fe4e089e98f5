// `longhaul data pack`: text files, trees and JSONL -> a packed data set (shards.h).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace longhaul {

struct PackOptions {
  std::vector<std::string> inputs;     // files or folders; *.jsonl gives one document a line, anything else one a file
  std::string output;                  // folder; made whole or not at all
  std::string tokenizer = "bytes";
  std::string field = "text";          // JSONL field
  std::vector<std::string> extensions; // when given, only files that end so (".h")
  std::vector<std::string> exclude;    // path fragments to leave out
  int64_t min_bytes = 1;               // smaller files are left out, and counted
  int64_t shard_tokens = 100'000'000;
  int64_t val_every = 16;              // a document goes to `val` when its path's hash is 0 modulo this; 0: no val split
  int threads = 1;
};
// Deterministic: the same bytes for the same inputs on any thread count. Each document is [end_of_text] ++ ids.
void pack(const PackOptions& options);

}  // namespace longhaul
