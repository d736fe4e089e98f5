// What most tests need: a folder that goes away, and the message of an Error.
#pragma once
#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

#include "base/error.h"
#include "base/files.h"

namespace longhaul {

// A fresh folder under the system's temporary folder, removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(testing::TempDir() + "longhaul_XXXXXX") {
    check(mkdtemp(path_.data()) != nullptr, path_, ": cannot make a temporary folder");
  }
  ~TemporaryFolder() { remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_join(path_, name); }

 private:
  std::string path_;
};

// The message of the Error that `action` throws, "no error" when it throws none; anything else goes on to GoogleTest.
template <class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace longhaul
