// Files: whole reads, atomic writes, memory maps, listing. Errors name the path and the system's reason.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace longhaul {

std::string read_file(const std::string& path);
// Written to "<path>.<pid>.tmp" in the same folder, fsynced, renamed; on any failure (a full disk) the old file stays whole.
void write_file(const std::string& path, std::string_view bytes);
// The same for content produced piece by piece: `produce` calls write(bytes) as often as it likes.
using WriteFn = std::function<void(std::string_view)>;
void write_file(const std::string& path, const std::function<void(const WriteFn&)>& produce);
void sync_folder(const std::string& folder);  // makes a rename durable

bool exists(const std::string& path);
bool is_folder(const std::string& path);
void make_folders(const std::string& path);
void remove_all(const std::string& path);
int64_t file_size(const std::string& path);
// Regular files under `path` (or the file itself), recursively, sorted bytewise: the same list on every machine.
std::vector<std::string> list_files(const std::string& path);
std::string path_join(const std::string& a, const std::string& b);
std::string file_name(const std::string& path);
std::string folder_of(const std::string& path);  // "." for a bare name

// A read-only map of a whole file; the bytes live as long as any copy of the pointer. An empty file maps to an empty span.
class MappedFile {
 public:
  static std::shared_ptr<const MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // Whoever has read these bytes is done with them: their pages need not stay in memory (they come back when read again).
  // Bytes outside of the file are left alone.
  void forget(std::span<const std::byte> bytes) const;
  const std::string& path() const { return path_; }

 private:
  MappedFile(std::string path, const std::byte* data, size_t size) : path_(std::move(path)), data_(data), size_(size) {}
  std::string path_;
  const std::byte* data_;
  size_t size_;
};

}  // namespace longhaul
