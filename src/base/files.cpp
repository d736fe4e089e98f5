#include "base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/error.h"

namespace longhaul {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail_system(const std::string& path, const char* action, int error = errno) {
  fail(path, ": cannot ", action, ": ", std::strerror(error));
}

// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

// Opens a regular file and says how long it is.
int open_regular(const std::string& path, size_t& size) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) fail_system(path, "read");
  if (!S_ISREG(status.st_mode))  // of a named pipe open() would wait for a writer
    fail(path, ": cannot read: wanted a file, found ", S_ISDIR(status.st_mode) ? "a folder" : "something else");
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_system(path, "read");
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    fail(path, ": cannot read: it is another since it was looked at");
  }
  size = static_cast<size_t>(status.st_size);
  return fd;
}

void write_all(int fd, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_system(path, "write");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace

std::string read_file(const std::string& path) {
  size_t size = 0;
  Descriptor file(open_regular(path, size));
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    ssize_t n = ::read(file.get(), bytes.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_system(path, "read");
    check(n > 0, path, ": cannot read: wanted ", size, " bytes, found ", done, " (it shrank meanwhile)");
    done += static_cast<size_t>(n);
  }
  return bytes;
}

void write_file(const std::string& path, std::string_view bytes) {
  write_file(path, [&](const WriteFn& write) { write(bytes); });
}

void write_file(const std::string& path, const std::function<void(const WriteFn&)>& produce) {
  // A rename would put a file in the place of a device.
  check(!exists(path) || fs::is_regular_file(path), path, ": cannot write: wanted a file, found ",
        is_folder(path) ? "a folder" : "something else");
  const std::string temporary = str(path, ".", ::getpid(), ".tmp");
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0) fail_system(path, "write");
  try {
    produce([&](std::string_view bytes) { write_all(file.get(), path, bytes); });
    if (::fsync(file.get()) != 0) fail_system(path, "write");
    if (file.close() != 0) fail_system(path, "write");
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail_system(path, "write");
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

void sync_folder(const std::string& folder) {
  Descriptor handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (handle.get() < 0) fail_system(folder, "open");
  // EINVAL: a file system that has nothing to sync here.
  if (::fsync(handle.get()) != 0 && errno != EINVAL) fail_system(folder, "sync");
}

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

bool is_folder(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

void make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail(path, ": cannot make the folder: ", error.message());
  check(is_folder(path), path, ": cannot make the folder: a file of this name is in the way");
}

void remove_all(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) fail(path, ": cannot remove: ", error.message());
}

int64_t file_size(const std::string& path) {
  size_t size = 0;
  Descriptor file(open_regular(path, size));
  return static_cast<int64_t>(size);
}

std::vector<std::string> list_files(const std::string& path) {
  if (!is_folder(path)) {
    check(exists(path), path, ": cannot read: no such file or folder");
    return {path};
  }
  std::vector<std::string> files;
  try {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) files.push_back(entry.path().string());
    }
  } catch (const fs::filesystem_error& error) {
    // A folder that cannot be opened on the way has no name here.
    const std::string found = error.path1().string();
    fail(found.empty() ? path + ": cannot read all of it: " : found + ": cannot read: ", error.code().message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string path_join(const std::string& a, const std::string& b) { return (fs::path(a) / b).string(); }

std::string file_name(const std::string& path) { return fs::path(path).filename().string(); }

std::string folder_of(const std::string& path) {
  std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  size_t size = 0;
  Descriptor file(open_regular(path, size));
  void* data = nullptr;
  if (size > 0) {
    data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
    if (data == MAP_FAILED) fail_system(path, "map");
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, static_cast<const std::byte*>(data), size));
}

void MappedFile::forget(std::span<const std::byte> bytes) const {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto file = reinterpret_cast<uintptr_t>(data_), first = reinterpret_cast<uintptr_t>(bytes.data());
  if (first < file || first + bytes.size() > file + size_) return;
  const uintptr_t begin = (first + page - 1) / page * page, end = (first + bytes.size()) / page * page;
  // Advice: should the kernel not take it, the pages stay.
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (size_ > 0) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace longhaul
