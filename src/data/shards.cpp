#include "data/shards.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/hash.h"

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
    std::string path = shard_path(folder, name, static_cast<int64_t>(split.files_.size()));
    split.files_.push_back(open_sized(path, shard, split.width_, "tokens"));
    split.starts_.push_back(split.starts_.back() + shard);
  }
  entry.finish();
  check(split.tokens() == tokens, folder, ": split ", name, ": the manifest promises ", tokens,
        " tokens, its shards have ", split.tokens());
  split.documents_ = open_sized(documents_path(folder, name), documents, 8, "documents");
  split.check_documents(documents_path(folder, name));
  return split;
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

int64_t TokenSplit::documents() const { return static_cast<int64_t>(documents_->bytes().size() / 8); }

int64_t TokenSplit::document_start(int64_t i) const {
  check(i >= 0 && i < documents(), name_, ": document must be in [0, ", documents(), "), got ", i);
  int64_t start;
  std::memcpy(&start, documents_->bytes().data() + i * 8, 8);
  return start;
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
    const std::byte* from = files_[shard]->bytes().data() + offset * width_;
    if (width_ == 2) {
      widen<uint16_t>(from, part);
    } else {
      widen<uint32_t>(from, part);
    }
    for (int64_t i = 0; i < here; ++i) {
      check(part[i] < vocab_, files_[shard]->path(), ": id ", part[i], " at token ", offset + i,
            " is outside the vocabulary of ", vocab_);
    }
    done += here;
  }
}

// ---- Dataset -------------------------------------------------------------------------------------------------------

Dataset Dataset::open(const std::string& folder) {
  std::string path = path_join(folder, "manifest.json");
  check(exists(path), folder, ": not a packed data set (no manifest.json); make one with `longhaul data pack`");
  Dataset dataset;
  dataset.folder_ = folder;
  dataset.manifest_ = read_json(path);
  JsonReader reader(dataset.manifest_, path);
  std::string format = reader.string("format");
  check(format == kShardFormat, path, ": format: wanted '", kShardFormat, "', found '", format, "'");
  dataset.tokenizer_ = reader.string("tokenizer");
  dataset.tokenizer_hash_ = reader.string("tokenizer_hash");
  dataset.vocab_ = reader.integer("vocab_size", 1, kLargestVocabulary);
  dataset.end_of_text_ = reader.integer("end_of_text", -1, dataset.vocab_ - 1);
  dataset.hash_ = reader.string("hash");
  std::string dtype = reader.string("dtype"), wanted = id_width(dataset.vocab_) == 2 ? "uint16" : "uint32";
  check(dtype == wanted, path, ": dtype: a vocabulary of ", dataset.vocab_, " needs ", wanted, ", found '", dtype, "'");
  reader.ignore("sources");
  reader.ignore("skipped");
  reader.ignore("settings");
  const Json& splits = reader.value("splits");
  check(splits.is_object(), path, ": splits: wanted an object of splits, found ", splits.type_name());
  for (const auto& [name, entry] : splits.items()) {
    check_split_name(name, path);
    JsonReader split(entry, path + ": splits: " + name);
    dataset.splits_.push_back(TokenSplit::open(folder, name, std::move(split), dataset.vocab_));
  }
  reader.finish();
  return dataset;
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
    for (const auto& file : split.files_) tokens.add(file->bytes());
    for (int64_t start = 0; start < split.tokens(); start += static_cast<int64_t>(ids.size())) {
      ids.resize(std::min<int64_t>(split.tokens() - start, 1 << 16));
      split.read(start, ids);
    }
    add_split_hash(all, split.name(), tokens.hex(), split.documents_->bytes());
  }
  check(all.hex() == hash_, folder_, ": the contents' hash is ", all.hex(), ", the manifest says '", hash_, "'");
}

void add_split_hash(Hasher& hasher, const std::string& split, const std::string& tokens_hex,
                    std::span<const std::byte> document_starts) {
  hasher.add(split);
  hasher.add(tokens_hex);
  hasher.add(document_starts);
}

}  // namespace longhaul
