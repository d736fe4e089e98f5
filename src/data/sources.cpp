// Which files `pack` reads, in which order, and into which split their documents go.
#include <sys/stat.h>

#include <set>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/strings.h"
#include "data/pack.h"

namespace longhaul {

namespace {

bool ends_with_any(const std::string& path, const std::vector<std::string>& endings) {
  for (const std::string& ending : endings) {
    if (path.ends_with(ending)) return true;
  }
  return false;
}

bool contains_any(const std::string& path, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    if (path.find(part) != std::string::npos) return true;
  }
  return false;
}

// Below a folder: the path behind the folder's own. A file given by itself: its file name.
std::string name_within(const std::string& path, const std::string& input) {
  if (path == input) return file_name(path);
  size_t begin = path.starts_with(input) ? input.size() : 0;
  while (begin < path.size() && path[begin] == '/') ++begin;
  return path.substr(begin);
}

void add_input(PackPlan& plan, const PackOptions& options, int64_t input,
               std::set<std::pair<dev_t, ino_t>>& seen) {
  const std::string& root = options.inputs[input];
  check(exists(root), "data pack: ", root, ": no such file or folder");
  for (const std::string& path : list_files(root)) {
    SourceFile file{path, name_within(path, root), input, file_size(path)};
    if (contains_any(file.name, options.exclude)) {
      ++plan.excluded;
    } else if (!options.extensions.empty() && !ends_with_any(path, options.extensions)) {
      ++plan.other_extension;
    } else if (!file.is_jsonl() && (file.bytes == 0 || file.bytes < options.min_bytes)) {
      ++plan.too_small;
    } else {
      struct stat status{};
      check(stat(path.c_str(), &status) == 0, path, ": cannot be read");
      check(seen.emplace(status.st_dev, status.st_ino).second, "data pack: ", path,
            " is reached twice; its text could land in both train and val");
      plan.bytes += file.bytes;
      plan.files.push_back(std::move(file));
    }
  }
}

}  // namespace

bool SourceFile::is_jsonl() const { return path.ends_with(".jsonl"); }

PackPlan plan_pack(const PackOptions& options) {
  check(!options.inputs.empty(), "data pack: give at least one file or folder to read");
  PackPlan plan;
  std::set<std::pair<dev_t, ino_t>> seen;
  for (size_t input = 0; input < options.inputs.size(); ++input) {
    add_input(plan, options, static_cast<int64_t>(input), seen);
  }
  check(!plan.files.empty(), "data pack: no file left to read in ", join(options.inputs, ", "), " (", plan.excluded,
        " excluded, ", plan.other_extension, " with other extensions, ", plan.too_small, " too small)");
  return plan;
}

const char* split_of(const std::string& document_name, int64_t val_every) {
  if (val_every == 0) return "train";
  uint64_t hash = std::stoull(hash_hex(document_name).substr(0, 16), nullptr, 16);
  return hash % static_cast<uint64_t>(val_every) == 0 ? "val" : "train";
}

}  // namespace longhaul
