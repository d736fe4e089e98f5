#include "data/shards.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/hash.h"
#include "text/tokenizer.h"

namespace longhaul {

static_assert(std::endian::native == std::endian::little, "shards are little-endian and read by plain copies");

namespace {

// Far above any corpus, far below what overflows when multiplied by a width.
constexpr int64_t kMostTokens = int64_t{1} << 48;
constexpr int64_t kLargestVocabulary = int64_t{1} << 31;

template <class Id>
void widen(const std::byte* from, std::span<int64_t> to) {
  for (size_t i = 0; i < to.size(); ++i) {
    Id id;
    std::memcpy(&id, from + i * sizeof(Id), sizeof(Id));
    to[i] = id;
  }
}

std::shared_ptr<const MappedFile> open_sized(const std::string& path, int64_t items, int64_t width, const char* item) {
  auto file = MappedFile::open(path);
  int64_t size = static_cast<int64_t>(file->bytes().size());
  check(size == items * width, path, ": the manifest promises ", items, " ", item, " = ", items * width,
        " bytes, the file has ", size);
  return file;
}

// Names, sizes and blocks at even distances: tells files apart without reading gigabytes.
void add_samples(Hasher& hash, const std::string& name, std::span<const std::byte> bytes) {
  constexpr size_t kBlocks = 64, kBlockBytes = 4096;
  hash.add(str(name, " ", bytes.size()));
  size_t block = std::min(kBlockBytes, bytes.size());
  for (size_t i = 0; i < kBlocks; ++i) hash.add(bytes.subspan((bytes.size() - block) / (kBlocks - 1) * i, block));
}

void check_split_name(const std::string& name, const std::string& where) {
  bool plain = !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
  check(plain, where, ": a split's name must be of a-z, 0-9 and _, got '", name, "'");
}

}  // namespace

std::string shard_path(const std::string& folder, const std::string& split, int64_t index) {
  char number[32];
  std::snprintf(number, sizeof number, "_%06lld.bin", static_cast<long long>(index));
  return path_join(folder, split + number);
}

std::string documents_path(const std::string& folder, const std::string& split) {
  return path_join(folder, split + "_documents.bin");
}

// ---- TokenSplit ----------------------------------------------------------------------------------------------------

TokenSplit TokenSplit::open(const std::string& folder, const std::string& name, JsonReader entry, int64_t vocab) {
  TokenSplit split;
  split.name_ = name;
  split.vocab_ = vocab;
  split.width_ = id_width(vocab);
  int64_t tokens = entry.integer("tokens", 0, kMostTokens);
  int64_t documents = entry.integer("documents", 0, kMostTokens);
  split.bytes_ = entry.integer("bytes", 0);
  for (int64_t shard : entry.integers("shards", 1)) {
    check(shard <= kMostTokens, folder, ": split ", name, ": a shard of ", shard, " tokens is larger than any can be");
    std::string path = shard_path(folder, name, static_cast<int64_t>(split.shards_.size()));
    split.add_file(open_sized(path, shard, split.width_, "tokens"), {0, shard, split.width_});
  }
  entry.finish();
  check(split.tokens() == tokens, folder, ": split ", name, ": the manifest promises ", tokens,
        " tokens, its shards have ", split.tokens());
  split.documents_ = open_sized(documents_path(folder, name), documents, 8, "documents");
  split.check_documents(documents_path(folder, name));
  return split;
}

void TokenSplit::add_file(std::shared_ptr<const MappedFile> file, const TokenRegion& region) {
  shards_.push_back({std::move(file), region.offset});
  starts_.push_back(starts_.back() + region.tokens);
  width_ = region.width;
}

// Documents cover the split: the first begins at 0, each later one behind the one before, none outside.
void TokenSplit::check_documents(const std::string& path) const {
  check((documents() == 0) == (tokens() == 0), path, ": ", documents(), " documents cannot hold ", tokens(), " tokens");
  int64_t previous = -1;
  for (int64_t i = 0; i < documents(); ++i) {
    int64_t start = document_start(i);
    check(i > 0 || start == 0, path, ": the first document must begin at token 0, got ", start);
    check(start > previous, path, ": document ", i, " begins at token ", start, ", not behind the one before at ",
          previous);
    check(start < tokens(), path, ": document ", i, " begins at token ", start, ", the split has ", tokens());
    previous = start;
  }
}

const std::vector<int64_t>& TokenSplit::all_found() const {
  std::call_once(found_->once, [&] { found_->starts = found_starts(0, tokens()); });
  return found_->starts;
}

int64_t TokenSplit::documents() const {
  return static_cast<int64_t>(documents_ ? documents_->bytes().size() / 8 : all_found().size());
}

int64_t TokenSplit::document_start(int64_t i) const {
  check(i >= 0 && i < documents(), name_, ": document must be in [0, ", documents(), "), got ", i);
  if (!documents_) return all_found()[i];
  int64_t start;
  std::memcpy(&start, documents_->bytes().data() + i * 8, 8);
  return start;
}

std::vector<int64_t> TokenSplit::found_starts(int64_t start, int64_t count) const {
  std::vector<int64_t> starts, ids;
  for (int64_t done = 0; done < count; done += static_cast<int64_t>(ids.size())) {
    ids.resize(std::min<int64_t>(count - done, 1 << 16));
    read(start + done, ids);
    for (size_t i = 0; i < ids.size(); ++i) {
      int64_t position = start + done + static_cast<int64_t>(i);
      if (ids[i] == end_of_text_ || position == 0) starts.push_back(position);
    }
  }
  return starts;
}

std::vector<int64_t> TokenSplit::document_starts(int64_t start, int64_t count) const {
  if (!documents_) return found_starts(start, count);
  check(start >= 0 && count >= 0 && start <= tokens() - count, name_, ": documents of ", count, " tokens from ", start,
        " on were wanted, the split has ", tokens());
  int64_t first = 0;  // the first document that begins at `start` or behind it
  for (int64_t end = documents(); first < end;) {
    int64_t middle = first + (end - first) / 2;
    if (document_start(middle) < start) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  std::vector<int64_t> starts;
  for (int64_t i = first; i < documents() && document_start(i) < start + count; ++i) {
    starts.push_back(document_start(i));
  }
  return starts;
}

void TokenSplit::read(int64_t start, std::span<int64_t> out) const {
  int64_t count = static_cast<int64_t>(out.size());
  check(start >= 0 && start <= tokens() && count <= tokens() - start, name_, ": ", count, " tokens from ", start,
        " on were wanted, the split has ", tokens());
  size_t shard = std::upper_bound(starts_.begin(), starts_.end(), start) - starts_.begin() - 1;
  for (int64_t done = 0; done < count; ++shard) {
    int64_t offset = start + done - starts_[shard];
    int64_t here = std::min(count - done, starts_[shard + 1] - starts_[shard] - offset);
    std::span<int64_t> part = out.subspan(done, here);
    const std::byte* from = shards_[shard].file->bytes().data() + shards_[shard].offset + offset * width_;
    if (width_ == 2) {
      widen<uint16_t>(from, part);
    } else {
      widen<uint32_t>(from, part);
    }
    for (int64_t i = 0; i < here; ++i) {
      check(part[i] < vocab_, shards_[shard].file->path(), ": id ", part[i], " at token ", offset + i,
            " is outside the vocabulary of ", vocab_);
    }
    done += here;
  }
}

// ---- Dataset -------------------------------------------------------------------------------------------------------

Dataset Dataset::open(const std::string& folder, const std::string& tokenizer) {
  Dataset dataset;
  dataset.folder_ = folder;
  std::string path = path_join(folder, "manifest.json");
  if (!exists(path)) {
    dataset.open_bare(tokenizer);
    return dataset;
  }
  dataset.open_packed(path);
  check(tokenizer.empty() || tokenizer == dataset.tokenizer_, folder, ": was packed with the tokenizer '",
        dataset.tokenizer_, "', got '", tokenizer, "'");
  return dataset;
}

void Dataset::open_packed(const std::string& path) {
  manifest_ = read_json(path);
  JsonReader reader(manifest_, path);
  std::string format = reader.string("format");
  check(format == kShardFormat, path, ": format: wanted '", kShardFormat, "', found '", format, "'");
  tokenizer_ = reader.string("tokenizer");
  tokenizer_hash_ = reader.string("tokenizer_hash");
  vocab_ = reader.integer("vocab_size", 1, kLargestVocabulary);
  vocab_without_added_ = reader.integer_or("vocab_size_without_added", vocab_, 1, vocab_);
  end_of_text_ = reader.integer("end_of_text", -1, vocab_ - 1);
  hash_ = reader.string("hash");
  std::string dtype = reader.string("dtype"), wanted = id_width(vocab_) == 2 ? "uint16" : "uint32";
  check(dtype == wanted, path, ": dtype: a vocabulary of ", vocab_, " needs ", wanted, ", found '", dtype, "'");
  reader.ignore("sources");
  reader.ignore("skipped");
  reader.ignore("settings");
  const Json& splits = reader.value("splits");
  check(splits.is_object(), path, ": splits: wanted an object of splits, found ", splits.type_name());
  for (const auto& [name, entry] : splits.items()) {
    check_split_name(name, path);
    JsonReader split(entry, path + ": splits: " + name);
    splits_.push_back(TokenSplit::open(folder_, name, std::move(split), vocab_));
  }
  reader.finish();
}

void Dataset::open_bare(const std::string& tokenizer) {
  check(is_folder(folder_), folder_, ": wanted a folder of tokens, found ", exists(folder_) ? "a file" : "nothing");
  TokenFolder bare = find_token_files(folder_);
  check(!bare.files.empty(), folder_,
        ": not a data set (no manifest.json, no .npy or .bin named train or val); make one with `longhaul data pack`");
  int width = bare.files.front().region.width;
  TokenConvention convention = token_convention(width);
  tokenizer_ = tokenizer;
  if (!tokenizer.empty()) {
    auto named = make_tokenizer(tokenizer);
    tokenizer_hash_ = named->hash();
    convention = {named->vocab_size(), named->end_of_text()};
    vocab_without_added_ = named->vocab_size_without_added();
  } else {
    vocab_without_added_ = convention.vocab;
  }
  vocab_ = convention.vocab;
  end_of_text_ = convention.end_of_text;
  Hasher hash;
  hash.add(str(bare.format, " ", vocab_, " ", end_of_text_, tokenizer_hash_.empty() ? "" : " ", tokenizer_hash_));
  manifest_ = {{"format", bare.format},
               {"tokenizer", tokenizer_},
               {"vocab_size", vocab_},
               {"end_of_text", end_of_text_},
               {"dtype", width == 2 ? "uint16" : "uint32"}};
  for (const TokenFile& file : bare.files) {
    if (splits_.empty() || splits_.back().name_ != file.split) {
      splits_.emplace_back();
      splits_.back().name_ = file.split;
      splits_.back().vocab_ = vocab_;
      splits_.back().end_of_text_ = end_of_text_;
      splits_.back().found_ = std::make_shared<TokenSplit::FoundDocuments>();
    }
    auto map = MappedFile::open(file.path);
    add_samples(hash, file_name(file.path), map->bytes());
    splits_.back().add_file(std::move(map), file.region);
  }
  for (const TokenSplit& split : splits_) {
    manifest_["splits"][split.name()] = {{"tokens", split.tokens()}, {"shards", split.shards_.size()}};
  }
  hash_ = hash.hex();
}

bool Dataset::has_split(const std::string& name) const {
  return std::any_of(splits_.begin(), splits_.end(),
                     [&](const TokenSplit& s) { return s.name() == name && s.tokens(); });
}

const TokenSplit& Dataset::split(const std::string& name) const {
  std::string present;
  for (const TokenSplit& split : splits_) {
    if (split.name() == name && split.tokens() > 0) return split;
    if (split.tokens() > 0) present += (present.empty() ? "" : ", ") + split.name();
  }
  fail(folder_, ": no tokens in split '", name, "' (splits with tokens: ", present.empty() ? "none" : present, ")");
}

void Dataset::verify() const {
  Hasher all;
  all.add(tokenizer_hash_);
  std::vector<int64_t> ids;
  for (const TokenSplit& split : splits_) {
    Hasher tokens;
    for (const TokenSplit::Shard& shard : split.shards_) tokens.add(shard.file->bytes());
    for (int64_t start = 0; start < split.tokens(); start += static_cast<int64_t>(ids.size())) {
      ids.resize(std::min<int64_t>(split.tokens() - start, 1 << 16));
      split.read(start, ids);
    }
    if (split.documents_) add_split_hash(all, split.name(), tokens.hex(), split.documents_->bytes());
  }
  check(is_bare() || all.hex() == hash_, folder_, ": the contents' hash is ", all.hex(), ", the manifest says '", hash_,
        "'");
}

void add_split_hash(Hasher& hasher, const std::string& split, const std::string& tokens_hex,
                    std::span<const std::byte> document_starts) {
  hasher.add(split);
  hasher.add(tokens_hex);
  hasher.add(document_starts);
}

}  // namespace longhaul
