#include "io/byte_source.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/files.h"

namespace longhaul {

namespace {

constexpr size_t kReadBytes = 1 << 20;
constexpr size_t kMostAtOnce = 1 << 30;  // zlib counts what it is given in 32 bits

class PlainSource : public ByteSource {
 public:
  explicit PlainSource(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}

  size_t read(std::span<char> out) override {
    std::span<const std::byte> rest = file_->bytes().subspan(taken_);
    size_t count = std::min(out.size(), rest.size());
    if (count > 0) std::memcpy(out.data(), rest.data(), count);
    taken_ += count;
    return count;
  }

  int64_t position() const override { return static_cast<int64_t>(taken_); }

 private:
  std::shared_ptr<const MappedFile> file_;
  size_t taken_ = 0;
};

class GzipSource : public ByteSource {
 public:
  GzipSource(std::span<const std::byte> bytes, std::string where, std::shared_ptr<const MappedFile> file = nullptr)
      : file_(std::move(file)), bytes_(bytes), where_(std::move(where)) {
    constexpr int kGzipOnly = 16;
    check(inflateInit2(&stream_, MAX_WBITS + kGzipOnly) == Z_OK, where_, ": no memory to unpack it");
  }
  ~GzipSource() override { inflateEnd(&stream_); }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;

  size_t read(std::span<char> out) override {
    size_t filled = 0;
    while (filled < out.size() && !finished_) filled += inflate_some(out.subspan(filled));
    return filled;
  }

  int64_t position() const override { return static_cast<int64_t>(taken_); }

 private:
  size_t inflate_some(std::span<char> out) {
    size_t given = std::min(kMostAtOnce, bytes_.size() - taken_), room = std::min(kMostAtOnce, out.size());
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes_.data() + taken_));
    stream_.avail_in = static_cast<uInt>(given);
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(room);
    int result = inflate(&stream_, Z_NO_FLUSH);
    taken_ += given - stream_.avail_in;
    size_t made = room - stream_.avail_out;
    if (result == Z_STREAM_END) {
      end_of_member();
    } else if (result == Z_BUF_ERROR || (result == Z_OK && given == 0 && made == 0)) {
      fail(where_, ": byte ", taken_, ": the gzip data ends in the middle; the file was cut short");
    } else {
      check(result == Z_OK, where_, ": byte ", taken_, ": damaged gzip data (",
            stream_.msg ? stream_.msg : zError(result), ")");
    }
    return made;
  }

  void end_of_member() {
    std::span<const std::byte> rest = bytes_.subspan(taken_);
    finished_ = std::all_of(rest.begin(), rest.end(), [](std::byte b) { return b == std::byte{0}; });
    check(inflateReset(&stream_) == Z_OK, where_, ": no memory to unpack it");
  }

  std::shared_ptr<const MappedFile> file_;  // keeps `bytes_`, when they are a file's
  std::span<const std::byte> bytes_;
  std::string where_;
  z_stream stream_{};
  size_t taken_ = 0;
  bool finished_ = false;
};

}  // namespace

bool is_gzip_name(std::string_view path) { return path.ends_with(".gz"); }

std::unique_ptr<ByteSource> open_bytes(const std::string& path) {
  auto file = MappedFile::open(path);
  if (is_gzip_name(path)) return std::make_unique<GzipSource>(file->bytes(), path, file);
  return std::make_unique<PlainSource>(std::move(file));
}

std::unique_ptr<ByteSource> gunzip(std::span<const std::byte> bytes, const std::string& where) {
  return std::make_unique<GzipSource>(bytes, where);
}

std::string read_bytes(const std::string& path, int64_t most) {
  auto source = open_bytes(path);
  std::string all;
  for (size_t got = kReadBytes; got == kReadBytes;) {
    size_t before = all.size();
    all.resize(before + kReadBytes);
    got = source->read(std::span(all).subspan(before));
    all.resize(before + got);
    check(static_cast<int64_t>(all.size()) <= most, path, ": wanted at most ", most, " bytes of text, found more");
  }
  return all;
}

}  // namespace longhaul
