// The checked-out tree as the layout tests see it.
#pragma once
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/strings.h"

namespace longhaul {

struct TreeFile {
  std::string path;  // relative to the root, with '/': "src/base/log.cpp"
  std::string text;
  std::string folder() const { return path.substr(0, path.rfind('/') + 1); }  // "src/base/"
  bool is_under(const std::string& prefix) const { return path.starts_with(prefix); }
  bool is_code() const {
    return path.ends_with(".h") || path.ends_with(".cpp") || path.ends_with(".cu") || path.ends_with(".cuh");
  }
};

// "ops" for "src/ops/norm/norm.h", "" for a file that lies in src/ itself.
inline std::string layer_of(const std::string& path) {
  auto parts = split(path, '/');
  return parts.size() > 2 ? parts[1] : "";
}

// Every file of the tree but what .gitignore names by "/folder/" lines, git's own files, and what is not text.
inline const std::vector<TreeFile>& source_tree() {
  static const std::vector<TreeFile> files = [] {
    namespace fs = std::filesystem;
    const fs::path root = LH_SOURCE_DIR;
    std::vector<std::string> ignored = {".git"};
    for (const std::string& line : split(read_file((root / ".gitignore").string()), '\n')) {
      if (line.size() > 2 && line.front() == '/' && line.back() == '/')
        ignored.push_back(line.substr(1, line.size() - 2));
    }
    std::vector<TreeFile> all;
    for (auto entry = fs::recursive_directory_iterator(root); entry != fs::recursive_directory_iterator(); ++entry) {
      std::string path = entry->path().lexically_relative(root).generic_string();
      const std::string name = entry->path().filename().string();
      if (std::find(ignored.begin(), ignored.end(), path) != ignored.end() || name == ".venv" || name == "build") {
        entry.disable_recursion_pending();
      } else if (entry->is_regular_file() && entry->file_size() < 1'000'000) {
        std::string text = read_file(entry->path().string());
        if (text.find('\0') == std::string::npos) all.push_back({path, std::move(text)});
      }
    }
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    return all;
  }();
  return files;
}

inline int64_t line_count(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

}  // namespace longhaul
