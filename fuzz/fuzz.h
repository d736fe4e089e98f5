// What the fuzz targets share. The property of all: any bytes give a result or an Error; nothing else is thrown, read or
// written out of bounds, leaked or undefined.
#pragma once
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"

namespace longhaul {

// Runs `action` on the bytes; an Error is an answer like any other.
template <class Action>
int fuzz_text(const uint8_t* data, size_t size, const Action& action) {
  try {
    action(std::string_view(reinterpret_cast<const char*>(data), size));
  } catch (const Error&) {
  }
  return 0;
}

// A broken promise of the code under test: libFuzzer reports the abort with the input that led to it.
inline void promise(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

// A folder of this process with the files that every input meets; gone at the end. In memory where the system has a place
// for that: ext4 flushes a rewritten file to disk when it is closed, which is a hundred times the work of any target.
class FuzzFolder {
 public:
  using Files = std::map<std::string, std::string_view>;
  explicit FuzzFolder(const Files& files = {}) : path_(memory() / ("longhaul_fuzz_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path_);
    for (const auto& [name, bytes] : files) put(name, bytes);
  }
  ~FuzzFolder() { std::filesystem::remove_all(path_); }
  FuzzFolder(const FuzzFolder&) = delete;
  FuzzFolder& operator=(const FuzzFolder&) = delete;
  std::string path() const { return path_.string(); }
  void put(const std::string& name, std::string_view bytes) const {  // write_file would sync each time
    std::ofstream(path_ / name, std::ios::binary) << bytes;
  }

 private:
  static std::filesystem::path memory() {
    return access("/dev/shm", W_OK) == 0 ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path();
  }
  std::filesystem::path path_;
};

}  // namespace longhaul
