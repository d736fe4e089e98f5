// Zip archives as torch.save writes them: stored entries, zip64 where needed (PKWARE's APPNOTE 6.3). Free of LibTorch.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"

namespace longhaul {

class ZipArchive {
 public:
  static bool is_zip(std::span<const std::byte> bytes);  // begins with an entry's signature
  // Reads the central directory. Error "<where>: zip: ..." for a truncated archive, an offset or size outside the bytes, a
  // compressed or encrypted entry, a name twice. `bytes` outlive the archive.
  static ZipArchive parse(std::span<const std::byte> bytes, const std::string& where);
  std::vector<std::string> names() const;  // sorted
  bool has(const std::string& name) const { return entries_.count(name) != 0; }
  // The entry's bytes. Error when there is none of this name, or its checksum is wrong.
  std::span<const std::byte> read(const std::string& name) const;

 private:
  struct Entry {
    std::span<const std::byte> bytes;
    uint32_t checksum;
  };
  std::string where_;
  std::map<std::string, Entry> entries_;
};

struct ZipEntry {
  std::string name;
  std::span<const std::byte> bytes;
};
// Entries stored, in order, each one's bytes at a multiple of 64; always with zip64's fields: one way for any size.
void write_zip(const WriteFn& write, const std::vector<ZipEntry>& entries);
void write_zip(const std::string& path, const std::vector<ZipEntry>& entries);  // atomic

}  // namespace longhaul
