// Content hashes (XXH3, 128 bits, as 32 hex digits): data sets, results, cache keys. Not for security. And the checksum
// of a foreign format.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace longhaul {

class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  void add(std::span<const std::byte> bytes);
  void add(std::string_view text);
  std::string hex() const;  // 32 digits, of everything added so far

 private:
  void* state_;
};

std::string hash_hex(std::string_view bytes);
std::string hash_file(const std::string& path);

// CRC-32C (Castagnoli's polynomial, RFC 3720 appendix B.4), as TFRecord files have it.
uint32_t crc32c(std::string_view bytes);

}  // namespace longhaul
