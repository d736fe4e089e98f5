// What the fuzz targets share. The property of all: any bytes give a result or an Error; nothing else is thrown, read or
// written out of bounds, leaked or undefined.
#pragma once
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
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

// A folder of this process, empty at first, gone at the end.
class FuzzFolder {
 public:
  FuzzFolder() : path_(std::filesystem::temp_directory_path() / ("longhaul_fuzz_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~FuzzFolder() { std::filesystem::remove_all(path_); }
  FuzzFolder(const FuzzFolder&) = delete;
  FuzzFolder& operator=(const FuzzFolder&) = delete;
  std::string path() const { return path_.string(); }
  void put(const std::string& name, std::string_view bytes) const {  // write_file would sync each time
    std::ofstream(path_ / name, std::ios::binary) << bytes;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace longhaul
