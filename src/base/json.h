// JSON, with errors that say where. Key order is kept (files are read by people too).
#pragma once
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace longhaul {

using Json = nlohmann::ordered_json;  // finds a key by linear search: not for vocabularies

// Parses text; Error "<where>: not JSON at byte N: ..." otherwise. Nesting deeper than 256 is an error. Of equal keys of an object
// the last one counts, as in Python.
Json parse_json(std::string_view text, const std::string& where);
Json read_json(const std::string& path);
// JSON as Python's json module writes it: a bare Infinity, -Infinity or NaN becomes {"__float__": "Infinity"}, the spelling
// of transformers 5, which JsonReader takes for a number.
Json parse_python_json(std::string_view text, const std::string& where);
Json read_python_json(const std::string& path);
// One line, or indented. Error "<where>: cannot be written as JSON: ..." for a string that is not UTF-8.
std::string json_text(const Json& json, const std::string& where, int indent = -1);
// What a message shows of a value: one line, cut short, bare floats as Python writes them.
std::string brief_text(const Json& value);
// Indented, trailing newline, written to a temporary name and renamed.
void write_json(const std::string& path, const Json& json);

// Typed access with a path in the message: `config.json: n_layer: wanted an integer > 0, found "4"`.
// Objects in objects are one path: `config.json: rope_scaling.factor: wanted a number, found "4"`.
// Every key must be read: finish() is an error that lists keys nobody read, but those that ignore() named.
class JsonReader {
 public:
  JsonReader(const Json& object, std::string where);  // keeps a reference to `object`
  JsonReader(Json&&, std::string) = delete;
  bool has(const std::string& key) const;
  bool is_set(const std::string& key);  // is there and not null; marks it as read
  int64_t integer(const std::string& key, int64_t low, int64_t high = INT64_MAX);
  int64_t integer_or(const std::string& key, int64_t fallback, int64_t low, int64_t high = INT64_MAX);
  double number(const std::string& key);
  double number_or(const std::string& key, double fallback);
  bool boolean_or(const std::string& key, bool fallback);
  std::string string(const std::string& key);
  std::string string_or(const std::string& key, const std::string& fallback);
  std::vector<int64_t> integers(const std::string& key, int64_t low);
  std::vector<double> numbers(const std::string& key);
  std::vector<std::string> strings(const std::string& key);
  const Json& value(const std::string& key);  // any type; marks it as read
  JsonReader object(const std::string& key);
  std::string path(const std::string& key) const { return prefix_ + key; }  // "rope_scaling.factor"
  // Error "<where>: <path>: wanted ..., found ..." about a value that is there, or not.
  [[noreturn]] void refuse(const std::string& key, const std::string& wanted) const;
  void ignore(const std::string& key);  // it may be there, and says nothing that is read here
  void leave_out(const std::string& key, const std::string& why);  // the same, with a warning; it was not read
  bool was_read(const std::string& key) const;
  bool was_left_out(const std::string& path) const;  // of this object, or of one in it: "rope_scaling.factor"
  // Of the keys that nobody has read, those that resemble none that was: no misspellings, but what is not known here.
  std::vector<std::string> strangers() const;
  void finish() const;

 private:
  JsonReader(const Json& object, std::string where, std::string prefix);
  const Json& at(const std::string& key, const char* wanted);
  const Json* object_;
  std::string where_, prefix_;             // prefix_: "rope_scaling." of an object in an object
  std::vector<std::string> known() const;  // read or ignored
  std::vector<std::string> read_, ignored_;
  std::shared_ptr<std::vector<std::string>> left_out_;  // paths, of this object and of those in it
};

}  // namespace longhaul
