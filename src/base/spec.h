// Spec strings, the one way to name a thing with settings on the command line:
//   name            name:key=value,key=value            a list is [12,13]            nesting is base=(kerple:kind=log)
// Every key must be read by somebody: `finish()` turns a key nobody asked for into an error with the nearest known one.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace longhaul {

class Spec {
 public:
  // Throws Error on bad grammar, a repeated key, or unbalanced brackets, naming the column.
  static Spec parse(std::string_view text);

  const std::string& name() const { return name_; }
  std::string text() const;  // canonical spelling; parse(text()) is equal
  bool has(std::string_view key) const;

  // Typed reads mark the key as used. Without a fallback the key is required. Lengths take k/m/K/M suffixes.
  std::string string(std::string_view key, std::string_view fallback);
  std::string string(std::string_view key);
  // One of `allowed`; Error names them all otherwise.
  std::string choice(std::string_view key, const std::vector<std::string>& allowed, std::string_view fallback);
  int64_t integer(std::string_view key, int64_t fallback);
  int64_t length(std::string_view key, int64_t fallback);
  double number(std::string_view key, double fallback);
  bool flag(std::string_view key, bool fallback);  // true|false|1|0
  std::vector<int64_t> integers(std::string_view key, std::vector<int64_t> fallback);
  Spec nested(std::string_view key, std::string_view fallback);

  // Error when a key was given that nothing read.
  void finish() const;

 private:
  const std::string* take(std::string_view key);
  std::string name_;
  std::vector<std::pair<std::string, std::string>> values_;
  std::set<std::string> asked_;  // every key that a read mentioned, for suggestions
};

// "rope:layout=half,dim=4,dape:base=(cable,x=1)" -> two specs, as written: a piece that begins with key= belongs to the one before it.
std::vector<std::string> split_specs(std::string_view text);

}  // namespace longhaul
