// Things that register themselves: models, encodings, methods, tokenizers, tasks, commands.
//
//   LH_REGISTER(Encodings, "nope", "no positional encoding at all", [](Spec& spec, ...) { ... });
//
// A registry is a function returning a static `Registry<Factory>`, so that registration order across files is no matter.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/strings.h"

namespace longhaul {

template <class Factory>
class Registry {
 public:
  struct Entry {
    std::string summary;  // one line for `longhaul list`
    Factory make;
  };
  explicit Registry(std::string kind) : kind_(std::move(kind)) {}

  bool add(const std::string& name, std::string summary, Factory make) {
    bool is_new = entries_.emplace(name, Entry{std::move(summary), std::move(make)}).second;
    check(is_new, kind_, " '", name, "' is registered twice");
    return is_new;
  }
  // Error "unknown encoding 'rpoe' (did you mean 'rope'?)" when there is none; with no name near, all are listed.
  const Entry& find(const std::string& name) const {
    auto it = entries_.find(name);
    if (it != entries_.end()) return it->second;
    const std::string guess = did_you_mean(name, names());
    fail("unknown ", kind_, " '", name, "'", guess.empty() ? " (there are " + join(names(), ", ") + ")" : guess);
  }
  bool has(const std::string& name) const { return entries_.count(name) != 0; }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [name, entry] : entries_) all.push_back(name);
    return all;
  }
  const std::map<std::string, Entry>& entries() const { return entries_; }  // sorted by name

 private:
  std::string kind_;
  std::map<std::string, Entry> entries_;
};

#define LH_CONCAT_(a, b) a##b
#define LH_CONCAT(a, b) LH_CONCAT_(a, b)
// registry: a function returning Registry<F>&.
#define LH_REGISTER(registry, name, summary, ...) \
  [[maybe_unused]] static const bool LH_CONCAT(lh_registered_, __COUNTER__) = registry().add(name, summary, __VA_ARGS__)

}  // namespace longhaul
