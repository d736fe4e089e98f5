#include "base/spec.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"

namespace longhaul {

namespace {

constexpr int kMaxDepth = 32;

// Recursive descent over
//   spec  := name [":" key "=" value {"," key "=" value}]
//   value := "[" [value {"," value}] "]" | "(" spec ")" | word
// where name, key and word are runs of anything but the punctuation; spaces around them mean nothing.
// Values come back in canonical spelling: no spaces, keys of nested specs sorted.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::string name() { return word("a name", ":,=()[]"); }

  std::vector<std::pair<std::string, std::string>> settings() {
    std::vector<std::pair<std::string, std::string>> all;
    if (!accept(':')) return all;
    do {
      skip_spaces();
      size_t column = at_;
      std::string key = word("a key", ":,=()[]");
      bool repeated = std::any_of(all.begin(), all.end(), [&](const auto& pair) { return pair.first == key; });
      if (repeated) wrong(column, str("wanted each key once, found '", key, "' again"));
      expect('=');
      all.emplace_back(key, value());
    } while (accept(','));
    std::sort(all.begin(), all.end());
    return all;
  }

  void end() {
    skip_spaces();
    if (at_ < text_.size()) unexpected("the end");
  }

 private:
  std::string value() {
    if (++depth_ > kMaxDepth) wrong(at_, str("wanted at most ", kMaxDepth, " nested brackets, found more"));
    std::string spelling;
    if (accept('[')) {
      spelling = list();
    } else if (accept('(')) {
      std::string inner = name();
      const char* separator = ":";
      for (const auto& [key, inner_value] : settings()) {
        inner += separator + key + "=" + inner_value;
        separator = ",";
      }
      expect(')');
      spelling = "(" + inner + ")";
    } else {
      spelling = word("a value", ",=()[]");
    }
    --depth_;
    return spelling;
  }

  std::string list() {
    std::vector<std::string> items;
    if (accept(']')) return "[]";
    do {
      items.push_back(value());
    } while (accept(','));
    expect(']');
    return "[" + join(items, ",") + "]";
  }

  std::string word(const char* wanted, std::string_view stops) {
    size_t end = std::min(text_.find_first_of(stops, at_), text_.size());
    std::string_view found = trim(text_.substr(at_, end - at_));
    if (found.empty()) unexpected(wanted);
    at_ = end;
    return std::string(found);
  }

  bool accept(char c) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) unexpected(str("'", c, "'"));
  }

  void skip_spaces() {
    while (at_ < text_.size() && trim(text_.substr(at_, 1)).empty()) ++at_;
  }

  [[noreturn]] void unexpected(const std::string& wanted) {
    skip_spaces();
    wrong(at_, str("wanted ", wanted, ", found ", at_ < text_.size() ? str("'", text_[at_], "'") : "the end"));
  }

  [[noreturn]] void wrong(size_t at, const std::string& message) const {
    fail("'", text_, "', column ", at + 1, ": ", message);
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Spec Spec::parse(std::string_view text) {
  Parser parser(text);
  Spec spec;
  spec.name_ = parser.name();
  spec.values_ = parser.settings();
  parser.end();
  return spec;
}

std::string Spec::text() const {
  std::string text = name_;
  for (size_t i = 0; i < values_.size(); ++i) {
    text += (i == 0 ? ":" : ",") + values_[i].first + "=" + values_[i].second;
  }
  return text;
}

bool Spec::has(std::string_view key) const {
  return std::any_of(values_.begin(), values_.end(), [&](const auto& pair) { return pair.first == key; });
}

const std::string* Spec::take(std::string_view key) {
  asked_.emplace(key);
  for (const auto& [given, value] : values_) {
    if (given == key) return &value;
  }
  return nullptr;
}

std::string Spec::string(std::string_view key, std::string_view fallback) {
  const std::string* value = take(key);
  return value ? *value : std::string(fallback);
}

std::string Spec::string(std::string_view key) {
  const std::string* value = take(key);
  check(value, name_, ": wanted the setting '", key, "=...', found none");
  return *value;
}

std::string Spec::choice(std::string_view key, const std::vector<std::string>& allowed, std::string_view fallback) {
  std::string value = string(key, fallback);
  bool known = std::find(allowed.begin(), allowed.end(), value) != allowed.end();
  check(known, name_, ": ", key, ": wanted one of ", join(allowed, ", "), ", found '", value, "'");
  return value;
}

int64_t Spec::integer(std::string_view key, int64_t fallback) {
  const std::string* value = take(key);
  return value ? parse_integer(*value, str(name_, ": ", key)) : fallback;
}

int64_t Spec::length(std::string_view key, int64_t fallback) {
  const std::string* value = take(key);
  return value ? parse_length(*value, str(name_, ": ", key)) : fallback;
}

double Spec::number(std::string_view key, double fallback) {
  const std::string* value = take(key);
  return value ? parse_number(*value, str(name_, ": ", key)) : fallback;
}

bool Spec::flag(std::string_view key, bool fallback) {
  const std::string* value = take(key);
  if (!value) return fallback;
  if (*value == "true" || *value == "1") return true;
  if (*value == "false" || *value == "0") return false;
  fail(name_, ": ", key, ": wanted true or false, found '", *value, "'");
}

std::vector<int64_t> Spec::integers(std::string_view key, std::vector<int64_t> fallback) {
  const std::string* value = take(key);
  if (!value) return fallback;
  std::string_view items = *value;
  if (items.front() == '[') items = items.substr(1, items.size() - 2);
  std::vector<int64_t> numbers;
  for (const std::string& item : split(items, ',')) numbers.push_back(parse_integer(item, str(name_, ": ", key)));
  return numbers;
}

Spec Spec::nested(std::string_view key, std::string_view fallback) {
  std::string text = string(key, fallback);
  if (!text.empty() && text.front() == '(') text = text.substr(1, text.size() - 2);
  return parse(text);
}

void Spec::finish() const {
  std::vector<std::string> known(asked_.begin(), asked_.end());
  for (const auto& [key, value] : values_) {
    if (asked_.count(key) != 0) continue;
    std::string help = did_you_mean(key, known);
    if (help.empty()) help = known.empty() ? "; it takes no settings" : "; it takes " + join(known, ", ");
    fail(name_, ": unknown key '", key, "'", help);
  }
}

std::vector<std::string> split_specs(std::string_view text) {
  std::vector<std::string> specs;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size()) depth += (text[i] == '(' || text[i] == '[') - (text[i] == ')' || text[i] == ']');
    if (i < text.size() && (text[i] != ',' || depth > 0)) continue;
    const std::string_view piece = text.substr(begin, i - begin);
    begin = i + 1;
    const size_t mark = piece.find_first_of("=:(");
    if (!specs.empty() && mark != std::string_view::npos && piece[mark] == '=')
      specs.back().append(",").append(piece);
    else
      specs.emplace_back(piece);
  }
  return specs;
}

}  // namespace longhaul
