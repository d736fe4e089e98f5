// Bare token shards, as other programs write and read them: a folder of files whose names say `train` or `val`, each a
// header and ids, no manifest. A format is one file that registers itself (token_files_npy.cpp).
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/registry.h"

namespace longhaul {

// Where the ids of a file lie: little-endian, `width` bytes each, from `offset` to its end.
struct TokenRegion {
  int64_t offset = 0, tokens = 0;
  int width = 2;
};

struct TokenFormat {
  std::string extension;  // ".npy"
  // Nothing for a file of another format with the same extension; Error for a broken file of this one.
  std::function<std::optional<TokenRegion>(std::span<const std::byte> bytes, const std::string& path)> find;
  // What stands before the ids of a written file. Error when the format cannot hold that many, or ids that wide.
  std::function<std::string(int64_t tokens, int width)> header;
  bool one_file_a_split;  // "<split>.bin"; otherwise shards "<name>_<split>_<000000>.<extension>"
};
Registry<TokenFormat>& TokenFormats();  // asked in the order of their names

// What the width of bare ids says when no tokenizer is named.
struct TokenConvention {
  int64_t vocab, end_of_text;
};
// 16 bits: GPT-2's 50,257 and 50,256; 32 bits: Llama 3's 128,256 and 128,000 (the id that llm.c puts before documents).
TokenConvention token_convention(int width);

// One file of a bare folder.
struct TokenFile {
  std::string path, split;
  TokenRegion region;
};
struct TokenFolder {
  std::string format;
  std::vector<TokenFile> files;  // by split (train first), then bytewise by name
};
// Empty when no file of the folder has a split's name and a known extension. Error for broken files, names that say two splits, and formats
// or widths mixed.
TokenFolder find_token_files(const std::string& folder);

// `longhaul data export`: a data set as bare shards in the folder `output`, which is made whole or not at all.
struct ExportOptions {
  std::string data, output, format;  // folder of a data set; folder to make; a name of TokenFormats
  std::string tokenizer;             // of the data, when it is bare itself
  int64_t shard_tokens = 100'000'000;
  // Called before every block of tokens; what it throws ends it, and nothing is left behind.
  std::function<void()> before_each{};
};
// Deterministic. Shards are counted over all splits, `val` first, as the Cable repository's and llm.c's scripts do.
// Returns the files' names. Error when the output exists or the format cannot hold the data.
std::vector<std::string> export_tokens(const ExportOptions& options);

}  // namespace longhaul
