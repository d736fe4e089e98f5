#include "io/hub_folder.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"

namespace longhaul {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string cache_folder() {
  if (std::string cache = variable("HF_HUB_CACHE"); !cache.empty()) return cache;
  if (std::string home = variable("HF_HOME"); !home.empty()) return path_join(home, "hub");
  return path_join(variable("HOME"), ".cache/huggingface/hub");
}

// refs/<revision> names the commit whose snapshot it is; a commit may also be named itself.
std::string snapshot(const std::string& repository, const std::string& revision) {
  const std::string ref = path_join(repository, "refs/" + revision);
  const std::string commit = exists(ref) ? std::string(trim(read_file(ref))) : revision;
  const std::string folder = path_join(repository, "snapshots/" + commit);
  check(is_folder(folder), repository, ": wanted a snapshot of revision '", revision, "', found none");
  return folder;
}

// "org/name" or "name", as the hub allows them: no component can lead elsewhere.
bool is_hub_id(const std::string& id) {
  auto good = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.'; };
  const std::vector<std::string> parts = split(id, '/');
  return !parts.empty() && parts.size() <= 2 && std::all_of(parts.begin(), parts.end(), [&](const std::string& part) {
    return !part.empty() && part.find("..") == std::string::npos && std::all_of(part.begin(), part.end(), good);
  });
}

}  // namespace

std::string model_folder(const std::string& model) {
  if (is_folder(model)) {
    const bool cached = is_folder(path_join(model, "snapshots")) && !exists(path_join(model, "config.json"));
    return cached ? snapshot(model, "main") : model;
  }
  const size_t at = model.find('@');
  const std::string id = model.substr(0, at);
  check(is_hub_id(id), model, ": wanted a model directory, found no such directory");
  std::string name = "models--" + id;
  for (size_t slash; (slash = name.find('/')) != std::string::npos;) name.replace(slash, 1, "--");
  const std::string repository = path_join(cache_folder(), name);
  check(is_folder(repository), model,
        ": wanted a model directory, found no such directory, and no such model of the hub in ", cache_folder());
  return snapshot(repository, at == std::string::npos ? "main" : model.substr(at + 1));
}

}  // namespace longhaul
