// What `pack` is asked, which files it reads, in which order, and into which split their documents go.
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/strings.h"
#include "data/pack.h"
#include "io/byte_source.h"

namespace longhaul {

namespace {

bool ends_with_any(const std::string& path, const std::vector<std::string>& endings) {
  for (const std::string& ending : endings) {
    if (path.ends_with(ending)) return true;
  }
  return false;
}

// "notes.txt.gz" ends in .txt too: compression does not change what a file is.
bool has_wanted_extension(const std::string& path, const std::string& name, const std::vector<std::string>& wanted) {
  return wanted.empty() || ends_with_any(path, wanted) || ends_with_any(name, wanted);
}

bool contains_any(const std::string& path, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    if (path.find(part) != std::string::npos) return true;
  }
  return false;
}

// Below a folder: the path behind the folder's own. A file given by itself: its file name. As if it were not compressed.
std::string name_within(const std::string& path, const std::string& input) {
  std::string name = is_gzip_name(path) ? path.substr(0, path.size() - 3) : path;
  if (path == input) return file_name(name);
  size_t begin = path.starts_with(input) ? input.size() : 0;
  while (begin < name.size() && name[begin] == '/') ++begin;
  return name.substr(begin);
}

using FileIdentity = std::pair<dev_t, ino_t>;

FileIdentity identity_of(const std::string& path) {
  struct stat status {};
  check(stat(path.c_str(), &status) == 0, path, ": cannot be read: ", std::strerror(errno));
  return {status.st_dev, status.st_ino};
}

// The first way to reach a file wins: under a second name (nested inputs, links) its text could land in both splits.
void add_input(PackPlan& plan, const PackOptions& options, int64_t input, std::set<FileIdentity>& seen) {
  const std::string& root = options.inputs[input];
  check(exists(root), "data pack: ", root, ": no such file or folder");
  for (const std::string& path : list_files(root)) {
    SourceFile file{path, name_within(path, root), input, file_size(path), &document_format(path)};
    bool is_text = file.format->one_document && !is_gzip_name(path);  // the file's size is the document's
    if (contains_any(file.name, options.exclude)) {
      ++plan.excluded;
    } else if (!has_wanted_extension(path, file.name, options.extensions)) {
      ++plan.other_extension;
    } else if (is_text && (file.bytes == 0 || file.bytes < options.min_bytes)) {
      ++plan.too_small;
    } else if (!seen.insert(identity_of(path)).second) {
      ++plan.reached_twice;
    } else {
      plan.bytes += file.bytes;
      plan.files.push_back(std::move(file));
    }
  }
}

}  // namespace

void check_pack_options(const PackOptions& options) {
  check(!options.inputs.empty(), "data pack: give at least one file or folder to read");
  check(!options.output.empty(), "data pack: --out names the folder to make");
  check(!exists(options.output), "data pack: ", options.output, " exists already; remove it or name another --out");
  check(options.shard_tokens > 0, "data pack: --shard-tokens must be > 0, got ", options.shard_tokens);
  check(options.val_every >= 0, "data pack: --val-every must be >= 0, got ", options.val_every);
  check(options.min_bytes >= 0, "data pack: --min-bytes must be >= 0, got ", options.min_bytes);
  check(options.threads > 0, "data pack: --threads must be > 0, got ", options.threads);
  // These go into the manifest; better to learn now than at the end that a name is not UTF-8.
  json_text({options.inputs, options.extensions, options.exclude, {options.field}}, "data pack: inputs and settings");
}

Json PackPlan::left_out() const {
  return {{"excluded", excluded},
          {"other_extension", other_extension},
          {"too_small", too_small},
          {"reached_twice", reached_twice}};
}

PackPlan plan_pack(const PackOptions& options) {
  PackPlan plan;
  std::set<FileIdentity> seen;
  for (size_t input = 0; input < options.inputs.size(); ++input) {
    add_input(plan, options, static_cast<int64_t>(input), seen);
  }
  check(!plan.files.empty(), "data pack: no file left to read in ", join(options.inputs, ", "),
        "; left out: ", plan.left_out().dump());
  return plan;
}

const char* split_of(const std::string& document_name, int64_t val_every) {
  if (val_every == 0) return "train";
  uint64_t hash = std::stoull(hash_hex(document_name).substr(0, 16), nullptr, 16);
  return hash % static_cast<uint64_t>(val_every) == 0 ? "val" : "train";
}

}  // namespace longhaul
