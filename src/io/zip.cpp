#include "io/zip.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"

namespace longhaul {

static_assert(std::endian::native == std::endian::little, "zip fields are little-endian, and copied as they are");

namespace {

// Signatures, and the sizes of the records behind them without their names.
constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kLocator64 = 0x07064b50;
constexpr uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr uint64_t kLongestComment = 65'535;
constexpr uint32_t kIn64 = 0xffffffff;  // a 32-bit field whose value stands in the zip64 extra field
constexpr uint16_t kExtra64 = 1, kExtraPadding = 0x4246;
constexpr uint16_t kVersion64 = 45;
constexpr uint64_t kAlignment = 64;

uint32_t checksum_of(std::span<const std::byte> bytes) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// Numbers at places of the archive, each place checked.
class Fields {
 public:
  Fields(std::span<const std::byte> bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  std::span<const std::byte> part(uint64_t at, uint64_t size, const char* what) const {
    check(at <= bytes_.size() && size <= bytes_.size() - at, where_, ": zip: ", what, ": wanted ", size,
          " bytes at byte ", at, ", the file has ", bytes_.size());
    return bytes_.subspan(at, size);
  }
  template <class Number>
  Number number(uint64_t at) const {
    Number value;
    std::memcpy(&value, part(at, sizeof value, "a number").data(), sizeof value);
    return value;
  }
  uint16_t u16(uint64_t at) const { return number<uint16_t>(at); }
  uint32_t u32(uint64_t at) const { return number<uint32_t>(at); }
  uint64_t u64(uint64_t at) const { return number<uint64_t>(at); }
  uint64_t size() const { return bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
  const std::string& where_;
};

struct Directory {
  uint64_t entries, at, end;
};

Directory find_directory(const Fields& fields, const std::string& where) {
  uint64_t size = fields.size();
  check(size >= kEndBytes, where, ": zip: wanted an archive, found ", size, " bytes");
  uint64_t last = size - kEndBytes, first = last > kLongestComment ? last - kLongestComment : 0, at = last;
  while (fields.u32(at) != kEnd) {
    check(at > first, where, ": zip: found no directory at the end; the file was cut short");
    --at;
  }
  Directory directory{fields.u16(at + 10), fields.u32(at + 16), at};
  if (at >= kLocatorBytes && fields.u32(at - kLocatorBytes) == kLocator64) {
    uint64_t end64 = fields.u64(at - kLocatorBytes + 8);
    fields.part(end64, kEnd64Bytes, "zip64's end of directory");
    check(fields.u32(end64) == kEnd64, where, ": zip: wanted zip64's end of directory at byte ", end64,
          ", found other bytes");
    directory = {fields.u64(end64 + 32), fields.u64(end64 + 48), end64};
  }
  check(directory.at <= directory.end && directory.entries <= (directory.end - directory.at) / kCentralBytes, where,
        ": zip: wanted a directory of ", directory.entries, " entries between bytes ", directory.at, " and ",
        directory.end, ", which is too short");
  return directory;
}

struct Sizes {
  uint64_t packed, whole, local;
};

// Of the directory's record at `at`: its 32-bit fields, or zip64's extra field, which holds those that are full, in order.
Sizes sizes_of(const Fields& fields, uint64_t at, const std::string& place) {
  Sizes sizes{fields.u32(at + 20), fields.u32(at + 24), fields.u32(at + 42)};
  uint64_t extra = at + kCentralBytes + fields.u16(at + 28), end = extra + fields.u16(at + 30);
  while (extra + 4 <= end) {
    uint64_t body = extra + 4, next = body + fields.u16(extra + 2);
    if (fields.u16(extra) == kExtra64) {
      for (uint64_t* value : {&sizes.whole, &sizes.packed, &sizes.local}) {
        if (*value != kIn64) continue;
        check(body + 8 <= next && next <= end, place, ": wanted its sizes in the zip64 field, which is too short");
        *value = fields.u64(body);
        body += 8;
      }
      return sizes;
    }
    extra = next;
  }
  return sizes;
}

}  // namespace

bool ZipArchive::is_zip(std::span<const std::byte> bytes) {
  uint32_t signature = 0;
  if (bytes.size() >= kEndBytes) std::memcpy(&signature, bytes.data(), sizeof signature);
  return signature == kLocal || signature == kEnd;
}

ZipArchive ZipArchive::parse(std::span<const std::byte> bytes, const std::string& where) {
  Fields fields(bytes, where);
  Directory directory = find_directory(fields, where);
  ZipArchive archive;
  archive.where_ = where;
  uint64_t at = directory.at;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    fields.part(at, kCentralBytes, "the directory");
    check(fields.u32(at) == kCentral, where, ": zip: wanted the directory's entry ", i, " at byte ", at,
          ", found other bytes");
    auto name_bytes = fields.part(at + kCentralBytes, fields.u16(at + 28), "a name");
    std::string name(reinterpret_cast<const char*>(name_bytes.data()), name_bytes.size());
    std::string place = where + ": zip: '" + name + "'";
    check((fields.u16(at + 8) & 1) == 0 && fields.u16(at + 10) == 0, place,
          ": wanted a stored entry, found a compressed or encrypted one");
    Sizes sizes = sizes_of(fields, at, place);
    check(sizes.packed == sizes.whole, place, ": wanted one size, found ", sizes.packed, " and ", sizes.whole);
    fields.part(sizes.local, kLocalBytes, "an entry");
    check(fields.u32(sizes.local) == kLocal, place, ": wanted the entry at byte ", sizes.local, ", found other bytes");
    uint64_t data = sizes.local + kLocalBytes + fields.u16(sizes.local + 26) + fields.u16(sizes.local + 28);
    check(data <= directory.at && sizes.whole <= directory.at - data, place, ": wanted ", sizes.whole,
          " bytes at byte ", data, ", before the directory at byte ", directory.at);
    bool is_new =
        archive.entries_.try_emplace(name, Entry{bytes.subspan(data, sizes.whole), fields.u32(at + 16)}).second;
    check(is_new, place, ": wanted each name once, found it again");
    at += kCentralBytes + fields.u16(at + 28) + fields.u16(at + 30) + fields.u16(at + 32);
  }
  return archive;
}

std::vector<std::string> ZipArchive::names() const {
  std::vector<std::string> all;
  for (const auto& [name, entry] : entries_) all.push_back(name);
  return all;
}

std::span<const std::byte> ZipArchive::read(const std::string& name) const {
  auto found = entries_.find(name);
  check(found != entries_.end(), where_, ": zip: wanted an entry '", name, "', found none");
  const Entry& entry = found->second;
  check(checksum_of(entry.bytes) == entry.checksum, where_, ": zip: '", name,
        "': its checksum is wrong; the file is damaged");
  return entry.bytes;
}

// ---- writing -------------------------------------------------------------------------------------------------------

namespace {

template <class... Numbers>
std::string little_endian(Numbers... numbers) {
  std::string bytes;
  (bytes.append(reinterpret_cast<const char*>(&numbers), sizeof numbers), ...);
  return bytes;
}

// Version, flags, method, time, date (1 January 1980: the same bytes every time), checksum, sizes.
std::string common_fields(uint32_t checksum) {
  constexpr uint16_t kJanuary1980 = (1 << 5) | 1;
  return little_endian(kVersion64, uint16_t{0}, uint16_t{0}, uint16_t{0}, kJanuary1980, checksum, kIn64, kIn64);
}

std::string local_record(const ZipEntry& entry, uint32_t checksum, uint64_t at) {
  uint64_t size = entry.bytes.size();
  std::string extra = little_endian(kExtra64, uint16_t{16}, size, size);
  uint64_t end = at + kLocalBytes + entry.name.size() + extra.size() + 4;
  auto padding = static_cast<uint16_t>((kAlignment - end % kAlignment) % kAlignment);
  extra += little_endian(kExtraPadding, padding) + std::string(padding, '\0');
  return little_endian(kLocal) + common_fields(checksum) +
         little_endian(static_cast<uint16_t>(entry.name.size()), static_cast<uint16_t>(extra.size())) + entry.name +
         extra;
}

std::string central_record(const ZipEntry& entry, uint32_t checksum, uint64_t local) {
  uint64_t size = entry.bytes.size();
  std::string extra = little_endian(kExtra64, uint16_t{24}, size, size, local);
  return little_endian(kCentral, kVersion64) + common_fields(checksum) +
         little_endian(static_cast<uint16_t>(entry.name.size()), static_cast<uint16_t>(extra.size()), uint16_t{0},
                       uint16_t{0}, uint16_t{0}, uint32_t{0}, kIn64) +
         entry.name + extra;
}

std::string end_records(uint64_t entries, uint64_t directory, uint64_t size) {
  uint64_t end64 = directory + size;
  uint32_t disk = 0, disks = 1;
  constexpr uint16_t kMany = 0xffff;
  return little_endian(kEnd64, kEnd64Bytes - 12, kVersion64, kVersion64, disk, disk, entries, entries, size,
                       directory) +
         little_endian(kLocator64, disk, end64, disks) +
         little_endian(kEnd, uint16_t{0}, uint16_t{0}, kMany, kMany, kIn64, kIn64, uint16_t{0});
}

}  // namespace

void write_zip(const WriteFn& write, const std::vector<ZipEntry>& entries) {
  uint64_t at = 0;
  std::string directory;
  auto put = [&](std::string_view bytes) {
    write(bytes);
    at += bytes.size();
  };
  for (const ZipEntry& entry : entries) {
    check(entry.name.size() <= UINT16_MAX, "zip: a name of ", entry.name.size(), " bytes is too long");
    uint32_t checksum = checksum_of(entry.bytes);
    directory += central_record(entry, checksum, at);
    put(local_record(entry, checksum, at));
    put({reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size()});
  }
  uint64_t begin = at;
  put(directory);
  put(end_records(entries.size(), begin, directory.size()));
}

void write_zip(const std::string& path, const std::vector<ZipEntry>& entries) {
  write_file(path, [&](const WriteFn& write) { write_zip(write, entries); });
}

}  // namespace longhaul
