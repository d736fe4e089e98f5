#include "io/tensor_files.h"

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"

namespace longhaul {

namespace {

constexpr const char* kNames[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                  "pytorch_model.bin.index.json"};

std::string first_path(const std::string& folder) {
  for (const char* name : kNames) {
    std::string path = path_join(folder, name);
    if (exists(path)) return path;
  }
  fail(folder, ": wanted ", join({std::begin(kNames), std::end(kNames)}, ", "), ", found none of them");
}

bool is_index(const std::string& path) { return path.ends_with(".index.json"); }

// Shard -> the names that the index finds in it.
std::map<std::string, std::vector<std::string>> read_index(const std::string& path) {
  const Json json = read_json(path);
  JsonReader index(json, path);
  const JsonReader names = index.object("weight_map");
  const Json& map = index.value("weight_map");
  check(!map.empty(), path, ": weight_map: wanted names of tensors, found none");
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [name, shard] : map.items()) {
    // A shard lies beside its index: no path leads out of the folder.
    const bool plain = shard.is_string() && !shard.get<std::string>().empty() &&
                       shard.get<std::string>().find('/') == std::string::npos;
    if (!plain) names.refuse(name, "the name of a file in this folder");
    shards[shard.get<std::string>()].push_back(name);
  }
  return shards;
}

std::string beside(const std::string& path, const std::string& name) {
  return path.substr(0, path.size() - file_name(path).size()) + name;
}

}  // namespace

std::vector<std::string> TensorFiles::paths(const std::string& folder) {
  std::vector<std::string> all = {first_path(folder)};
  if (!is_index(all.front())) return all;
  for (const auto& [shard, names] : read_index(all.front())) all.push_back(path_join(folder, shard));
  return all;
}

TensorFiles TensorFiles::open(const std::string& folder) {
  TensorFiles files;
  files.where_ = first_path(folder);
  if (!is_index(files.where_)) {
    files.add(files.where_, nullptr);
    return files;
  }
  for (const auto& [shard, names] : read_index(files.where_)) files.add(beside(files.where_, shard), &names);
  return files;
}

void TensorFiles::add(const std::string& path, const std::vector<std::string>* names) {
  const bool is_safetensors = path.ends_with(".safetensors");
  if (is_safetensors)
    safetensors_.push_back(SafetensorsFile::open(path));
  else
    torch_.push_back(TorchFile::open(path));
  const std::map<std::string, TensorView>& held =
      is_safetensors ? safetensors_.back().tensors() : torch_.back().tensors();
  if (!names) {
    tensors_ = held;
    return;
  }
  std::vector<std::string> missing;
  for (const std::string& name : *names) {
    auto found = held.find(name);
    if (found == held.end())
      missing.push_back(name);
    else
      tensors_.insert(*found);
  }
  check(missing.empty(), path, ": ", file_name(where_), " says that it holds ", join(missing, ", "),
        ", found no such tensor", missing.size() > 1 ? "s" : "");
}

std::string TensorFiles::find(const std::string& name) const {
  if (tensors_.count(name)) return name;
  const size_t dot = name.find('.');
  if (dot == std::string::npos) return "";
  const std::string bare = name.substr(dot + 1);
  return tensors_.count(bare) ? bare : "";
}

void TensorFiles::keep_part(const std::vector<std::string>& prefixes, const std::string& whole) {
  std::map<std::string, TensorView> kept;
  for (const auto& [name, view] : tensors_) {
    if (name == whole) kept.emplace(name, view);
    for (const std::string& prefix : prefixes)
      if (name.starts_with(prefix)) kept.emplace(name.substr(prefix.size()), view);
  }
  tensors_ = std::move(kept);
}

void TensorFiles::forget(const TensorView& tensor) const {
  for (const SafetensorsFile& file : safetensors_) file.file()->forget(tensor.bytes);
  for (const TorchFile& file : torch_) file.file()->forget(tensor.bytes);
}

}  // namespace longhaul
