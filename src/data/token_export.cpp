// A data set as bare shards of another program's format.
#include <algorithm>
#include <cstdio>

#include "base/files.h"
#include "data/output_folder.h"
#include "data/shards.h"
#include "data/split_writer.h"
#include "data/token_files.h"

namespace longhaul {

namespace {

constexpr int64_t kBlockTokens = 1 << 16;

void write_tokens(const TokenSplit& split, int64_t start, int64_t count, const std::string& header, int width,
                  const std::string& path, const std::function<void()>& before_each) {
  OutputFile file;
  file.open(path);
  file.write(std::as_bytes(std::span(header)));
  std::vector<int64_t> ids;
  std::vector<std::byte> bytes;
  for (int64_t done = 0; done < count; done += static_cast<int64_t>(ids.size())) {
    if (before_each) before_each();
    ids.resize(std::min(kBlockTokens, count - done));
    split.read(start + done, ids);
    narrow_ids(ids, width, bytes);
    file.write(bytes);
  }
  file.close();
}

// `val` first: the scripts that other programs come with take their first shard for it.
std::vector<const TokenSplit*> splits_in_order(const Dataset& data) {
  std::vector<const TokenSplit*> splits;
  for (const TokenSplit& split : data.splits()) {
    if (split.tokens() > 0) splits.push_back(&split);
  }
  std::stable_partition(splits.begin(), splits.end(), [](const TokenSplit* split) { return split->name() == "val"; });
  return splits;
}

}  // namespace

std::vector<std::string> export_tokens(const ExportOptions& options) {
  const TokenFormat& format = TokenFormats().find(options.format).make;
  check(!options.output.empty(), "data export: --out names the folder to make");
  check(!exists(options.output), "data export: ", options.output, " exists already; remove it or name another --out");
  check(options.shard_tokens > 0, "data export: --shard-tokens must be > 0, got ", options.shard_tokens);
  Dataset data = Dataset::open(options.data, options.tokenizer);
  int width = id_width(data.vocab_size());
  std::string name = file_name(options.data.substr(0, options.data.find_last_not_of('/') + 1));
  OutputFolder folder(options.output);
  std::vector<std::string> written;
  for (const TokenSplit* split : splits_in_order(data)) {
    for (int64_t start = 0, count; start < split->tokens(); start += count) {
      count = split->tokens() - start;
      if (!format.one_file_a_split) count = std::min(count, options.shard_tokens);
      char number[16];
      std::snprintf(number, sizeof number, "_%06zu", written.size());
      written.push_back((format.one_file_a_split ? split->name() : name + "_" + split->name() + number) +
                        format.extension);
      write_tokens(*split, start, count, format.header(count, width), width, path_join(folder.path(), written.back()),
                   options.before_each);
    }
  }
  folder.publish();
  return written;
}

}  // namespace longhaul
