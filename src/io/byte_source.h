// The bytes of a file in order; a gzip file (.gz) is unpacked on the way. Memory is bounded whatever the file holds.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace longhaul {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills `out` from its beginning and returns how much: less than its size only at the end. Error
  // "<path>: byte N: ..." where a gzip stream is damaged or cut short; N counts bytes of the file itself.
  virtual size_t read(std::span<char> out) = 0;
  virtual int64_t position() const = 0;  // bytes of the file itself that were taken so far
};

bool is_gzip_name(std::string_view path);
std::unique_ptr<ByteSource> open_bytes(const std::string& path);
// Everything, unpacked; Error when that is more than `most` bytes.
std::string read_bytes(const std::string& path, int64_t most);

// A gzip stream in memory (RFC 1952): members one behind the other, zero bytes behind the last (tapes pad so) are no data.
std::unique_ptr<ByteSource> gunzip(std::span<const std::byte> bytes, const std::string& where);

}  // namespace longhaul
