#include "data/split_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "data/shards.h"

namespace longhaul {

namespace {

constexpr size_t kBufferBytes = 1 << 20;

template <class Id>
void narrow(std::span<const int64_t> ids, std::vector<std::byte>& out) {
  out.resize(ids.size() * sizeof(Id));
  for (size_t i = 0; i < ids.size(); ++i) {
    Id id = static_cast<Id>(ids[i]);
    std::memcpy(out.data() + i * sizeof(Id), &id, sizeof(Id));
  }
}

}  // namespace

void narrow_ids(std::span<const int64_t> ids, int width, std::vector<std::byte>& out) {
  if (width == 2) {
    narrow<uint16_t>(ids, out);
  } else {
    narrow<uint32_t>(ids, out);
  }
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
}

void OutputFile::open(const std::string& path) {
  path_ = path;
  fd_ = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666);
  check(fd_ >= 0, path_, ": cannot create: ", std::strerror(errno));
}

void OutputFile::write(std::span<const std::byte> bytes) {
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() >= kBufferBytes) flush();
}

void OutputFile::flush() {
  std::span<const std::byte> left = buffer_;
  while (!left.empty()) {
    ssize_t written = ::write(fd_, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    check(written >= 0, path_, ": cannot write: ", std::strerror(errno));
    left = left.subspan(written);
  }
  buffer_.clear();
}

void OutputFile::close() {
  flush();
  check(fsync(fd_) == 0, path_, ": cannot write: ", std::strerror(errno));
  ::close(std::exchange(fd_, -1));
}

SplitWriter::SplitWriter(std::string folder, std::string name, int64_t vocab_size, int64_t shard_tokens)
    : folder_(std::move(folder)), name_(std::move(name)), vocab_(vocab_size), shard_tokens_(shard_tokens) {
  document_file_.open(documents_path(folder_, name_));
}

void SplitWriter::add_document(std::span<const int64_t> ids, int64_t source_bytes) {
  for (int64_t id : ids) {
    check(id >= 0 && id < vocab_, "data pack: the tokenizer gave id ", id, ", its vocabulary has ", vocab_);
  }
  uint64_t start = static_cast<uint64_t>(tokens_);
  document_file_.write(std::as_bytes(std::span(&start, 1)));
  ++documents_;
  bytes_ += source_bytes;
  add_ids(ids);
}

void SplitWriter::add_ids(std::span<const int64_t> ids) {
  while (!ids.empty()) {
    if (!shard_file_.is_open()) {
      shard_file_.open(shard_path(folder_, name_, static_cast<int64_t>(shards_.size())));
      shards_.push_back(0);
    }
    std::span<const int64_t> part = ids.first(std::min<size_t>(ids.size(), shard_tokens_ - shards_.back()));
    narrow_ids(part, id_width(vocab_), encoded_);
    shard_file_.write(encoded_);
    token_hash_.add(encoded_);
    shards_.back() += static_cast<int64_t>(part.size());
    tokens_ += static_cast<int64_t>(part.size());
    if (shards_.back() == shard_tokens_) shard_file_.close();
    ids = ids.subspan(part.size());
  }
}

void SplitWriter::finish(Hasher& all) {
  if (shard_file_.is_open()) shard_file_.close();
  document_file_.close();
  auto starts = MappedFile::open(documents_path(folder_, name_));
  add_split_hash(all, name_, token_hash_.hex(), starts->bytes());
}

Json SplitWriter::manifest_entry() const {
  return {{"tokens", tokens_}, {"documents", documents_}, {"bytes", bytes_}, {"shards", shards_}};
}

}  // namespace longhaul
