#include "base/json.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/sorted_json.h"
#include "base/strings.h"

namespace longhaul {

namespace {

constexpr int kMaxDepth = 256;

// Values nested in values are visited recursively by whoever reads them: bounded before anything is built.
void check_depth(std::string_view text, const std::string& where) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      check(++depth <= kMaxDepth, where, ": not JSON at byte ", i + 1, ": wanted at most ", kMaxDepth,
            " levels of nesting, found more");
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

// "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error ..." -> "syntax error ..."
std::string reason(const Json::exception& error) {
  std::string text = error.what();
  size_t colon = text.find(": ");
  if (colon == std::string::npos) colon = text.find("] ");
  return colon == std::string::npos ? text : text.substr(colon + 2);
}

std::string wanted_integer(int64_t low, int64_t high) {
  if (high != INT64_MAX) return str("an integer in [", low, ", ", high, "]");
  if (low == INT64_MIN) return "an integer";
  return low == 1 ? "an integer > 0" : str("an integer >= ", low);
}

bool is_integer_in(const Json& value, int64_t low, int64_t high) {
  if (!value.is_number_integer()) return false;
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) return false;
  int64_t number = value.get<int64_t>();
  return low <= number && number <= high;
}

constexpr const char* kFloatKey = "__float__";
constexpr const char* kBareFloats[] = {"-Infinity", "Infinity", "NaN"};

std::optional<double> number_in(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_object() || value.size() != 1 || !value.contains(kFloatKey)) return {};
  const Json& name = value[kFloatKey];
  if (name == "Infinity") return INFINITY;
  if (name == "-Infinity") return -INFINITY;
  if (name == "NaN") return NAN;
  return {};
}

// The text with bare floats, wherever they stand outside of strings, in the spelling that is JSON.
std::string without_bare_floats(std::string_view text) {
  std::string out;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (in_string && text[i] == '\\' && i + 1 < text.size()) {
      out += text.substr(i++, 2);
      continue;
    }
    if (text[i] == '"') in_string = !in_string;
    const char* bare = nullptr;
    for (const char* name : kBareFloats)
      if (!in_string && !bare && text.substr(i).starts_with(name)) bare = name;
    if (bare) {
      out += str("{\"", kFloatKey, "\": \"", bare, "\"}");
      i += std::string_view(bare).size() - 1;
    } else {
      out += text[i];
    }
  }
  return out;
}

// `text`, which dump() wrote, with such floats bare again. Within a string its quotes would be escaped.
std::string with_bare_floats(std::string text) {
  for (const char* name : kBareFloats) {
    const std::string spelled = str("{\"", kFloatKey, "\":\"", name, "\"}");
    for (size_t at = text.find(spelled); at != std::string::npos; at = text.find(spelled, at))
      text.replace(at, spelled.size(), name);
  }
  return text;
}

template <class AnyJson>
AnyJson parse(std::string_view text, const std::string& where) {
  check_depth(text, where);
  // nlohmann::json takes a zero byte for the end of the text, and would ignore whatever follows it.
  const size_t zero = text.find('\0');
  check(zero == std::string_view::npos, where, ": not JSON at byte ", zero + 1, ": a zero byte");
  try {
    return AnyJson::parse(text.begin(), text.end());
  } catch (const Json::parse_error& error) {
    fail(where, ": not JSON at byte ", error.byte, ": ", reason(error));
  } catch (const Json::exception& error) {  // a number that no double holds
    fail(where, ": not JSON: ", reason(error));
  }
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where) { return parse<Json>(text, where); }
SortedJson parse_sorted_json(std::string_view text, const std::string& where) { return parse<SortedJson>(text, where); }

Json parse_python_json(std::string_view text, const std::string& where) {
  return parse_json(without_bare_floats(text), where);
}

Json read_python_json(const std::string& path) { return parse_python_json(read_file(path), path); }

Json read_json(const std::string& path) { return parse_json(read_file(path), path); }

std::string json_text(const Json& json, const std::string& where, int indent) {
  try {
    return json.dump(indent);
  } catch (const Json::exception& error) {
    fail(where, ": cannot be written as JSON: ", reason(error));
  }
}

std::string brief_text(const Json& value) {
  constexpr size_t kLongest = 60;
  const std::string text = with_bare_floats(value.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (text.size() <= kLongest) return text;
  return std::string(value.is_object() ? "an object" : value.is_array() ? "a list" : text.substr(0, kLongest)) + " ...";
}

void write_json(const std::string& path, const Json& json) { write_file(path, json_text(json, path, 2) + "\n"); }

JsonReader::JsonReader(const Json& object, std::string where) : JsonReader(object, std::move(where), "") {
  check(object.is_object(), where_, ": wanted an object, found ", brief_text(object));
}

JsonReader::JsonReader(const Json& object, std::string where, std::string prefix)
    : object_(&object),
      where_(std::move(where)),
      prefix_(std::move(prefix)),
      left_out_(std::make_shared<std::vector<std::string>>()) {}

bool JsonReader::has(const std::string& key) const { return object_->contains(key); }

bool JsonReader::is_set(const std::string& key) {
  read_.push_back(key);
  return has(key) && !object_->at(key).is_null();
}

const Json& JsonReader::at(const std::string& key, const char* wanted) {
  read_.push_back(key);
  auto found = object_->find(key);
  if (found == object_->end()) refuse(key, wanted);
  return *found;
}

void JsonReader::refuse(const std::string& key, const std::string& wanted) const {
  fail(where_, ": ", path(key), ": wanted ", wanted, ", found ",
       has(key) ? brief_text(object_->at(key)) : "no such key");
}

int64_t JsonReader::integer(const std::string& key, int64_t low, int64_t high) {
  read_.push_back(key);
  const auto value = object_->find(key);
  if (value == object_->end() || !is_integer_in(*value, low, high)) refuse(key, wanted_integer(low, high));
  return value->get<int64_t>();
}

int64_t JsonReader::integer_or(const std::string& key, int64_t fallback, int64_t low, int64_t high) {
  read_.push_back(key);
  return has(key) ? integer(key, low, high) : fallback;
}

double JsonReader::number(const std::string& key) {
  const std::optional<double> number = number_in(at(key, "a number"));
  if (!number) refuse(key, "a number");
  return *number;
}

double JsonReader::number_or(const std::string& key, double fallback) {
  read_.push_back(key);
  return has(key) ? number(key) : fallback;
}

bool JsonReader::boolean_or(const std::string& key, bool fallback) {
  read_.push_back(key);
  if (!has(key)) return fallback;
  const Json& value = at(key, "true or false");
  if (!value.is_boolean()) refuse(key, "true or false");
  return value.get<bool>();
}

std::string JsonReader::string(const std::string& key) {
  const Json& value = at(key, "a string");
  if (!value.is_string()) refuse(key, "a string");
  return value.get<std::string>();
}

std::string JsonReader::string_or(const std::string& key, const std::string& fallback) {
  read_.push_back(key);
  return has(key) ? string(key) : fallback;
}

std::vector<int64_t> JsonReader::integers(const std::string& key, int64_t low) {
  std::string wanted = "a list, each " + wanted_integer(low, INT64_MAX);
  const Json& value = at(key, wanted.c_str());
  bool good = value.is_array() && std::all_of(value.begin(), value.end(),
                                              [&](const Json& item) { return is_integer_in(item, low, INT64_MAX); });
  if (!good) refuse(key, wanted);
  return value.get<std::vector<int64_t>>();
}

std::vector<double> JsonReader::numbers(const std::string& key) {
  constexpr const char* kWanted = "a list of numbers";
  const Json& value = at(key, kWanted);
  if (!value.is_array()) refuse(key, kWanted);
  std::vector<double> numbers;
  for (const Json& item : value) {
    const std::optional<double> number = number_in(item);
    if (!number) refuse(key, kWanted);
    numbers.push_back(*number);
  }
  return numbers;
}

std::vector<std::string> JsonReader::strings(const std::string& key) {
  constexpr const char* kWanted = "a list of strings";
  const Json& value = at(key, kWanted);
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), [](const Json& item) { return item.is_string(); }))
    refuse(key, kWanted);
  return value.get<std::vector<std::string>>();
}

const Json& JsonReader::value(const std::string& key) { return at(key, "a value"); }

JsonReader JsonReader::object(const std::string& key) {
  const Json& value = at(key, "an object");
  if (!value.is_object() || number_in(value)) refuse(key, "an object");
  JsonReader reader(value, where_, path(key) + ".");
  reader.left_out_ = left_out_;
  return reader;
}

void JsonReader::ignore(const std::string& key) { ignored_.push_back(key); }

void JsonReader::leave_out(const std::string& key, const std::string& why) {
  std::erase(read_, key);
  ignore(key);
  left_out_->push_back(path(key));
  log_warning(where_, ": ", path(key), " is left out: ", why);
}

bool JsonReader::was_read(const std::string& key) const {
  return std::find(read_.begin(), read_.end(), key) != read_.end();
}

bool JsonReader::was_left_out(const std::string& path) const {
  return std::find(left_out_->begin(), left_out_->end(), path) != left_out_->end();
}

std::vector<std::string> JsonReader::known() const {
  std::vector<std::string> keys = read_;
  keys.insert(keys.end(), ignored_.begin(), ignored_.end());
  return keys;
}

std::vector<std::string> JsonReader::strangers() const {
  const std::vector<std::string> known = this->known();
  std::vector<std::string> found;
  for (const auto& [key, value] : object_->items()) {
    const bool is_known = std::find(known.begin(), known.end(), key) != known.end();
    if (!is_known && nearest(key, known).empty()) found.push_back(key);
  }
  return found;
}

void JsonReader::finish() const {
  const std::vector<std::string> known = this->known();
  std::vector<std::string> unknown;
  for (const auto& [key, value] : object_->items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    unknown.push_back("'" + path(key) + "'" + did_you_mean(key, known));
  }
  check(unknown.empty(), where_, ": unknown key", unknown.size() > 1 ? "s " : " ", join(unknown, ", "));
}

}  // namespace longhaul
