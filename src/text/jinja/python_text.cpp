#include "text/jinja/python_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/python_string.h"
#include "text/utf8.h"

namespace longhaul::jinja {

namespace {

std::string hex(uint32_t code, int width) {
  char digits[12];
  std::snprintf(digits, sizeof digits, "%0*x", width, code);
  return digits;
}

std::string repr_text(std::string_view text) {
  bool double_quotes = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = double_quotes ? '"' : '\'';
  std::string out(1, quote);
  for (const char *at = text.data(), *end = at + text.size(); at < end;) {
    const char* begin = at;
    uint32_t code = next_code_point(at);
    if (code == '\n') {
      out += "\\n";
    } else if (code == '\r') {
      out += "\\r";
    } else if (code == '\t') {
      out += "\\t";
    } else if (code == '\\' || code == static_cast<uint32_t>(quote)) {
      out += '\\', out += *begin;
    } else if (is_printable(code)) {
      out.append(begin, at);
    } else {
      out += code < 0x100 ? "\\x" + hex(code, 2) : code < 0x10000 ? "\\u" + hex(code, 4) : "\\U" + hex(code, 8);
    }
  }
  return out + quote;
}

// Appends to one text, which the budget bounds: lists that share lists can be written exponentially long.
class Writer {
 public:
  explicit Writer(Budget& budget) : budget_(budget) {}
  std::string take() { return std::move(out_); }
  void repr(const Value& value);
  void json(const Value& value, const JsonStyle& style, int level);

 private:
  void put(std::string_view part) {
    budget_.step();
    budget_.make(part.size());
    out_ += part;
  }
  void repr_sequence(const Sequence& sequence);
  void repr_items(const std::vector<Value>& items, const char* open, const char* close);
  void repr_dict(const Dict& dict);
  void json_text(std::string_view text, bool ascii);
  void json_list(const std::vector<Value>& items, const JsonStyle& style, int level);
  void json_dict(const Dict& dict, const JsonStyle& style, int level);
  void new_line(const JsonStyle& style, int level);
  Budget& budget_;
  std::string out_;
};

void Writer::repr(const Value& value) {
  Nesting nesting(budget_);
  if (value.is<None>()) return put("None");
  if (value.is<Undefined>()) return put("Undefined");
  if (value.is<bool>()) return put(value.as<bool>() ? "True" : "False");
  if (value.is<int64_t>()) return put(std::to_string(value.as<int64_t>()));
  if (value.is<double>()) return put(repr_real(value.as<double>()));
  if (value.is_text()) {
    std::string shown = repr_text(value.bytes());
    return put(value.as<TextPtr>()->markup ? "Markup(" + shown + ")" : shown);
  }
  if (value.is<SequencePtr>()) return repr_sequence(*value.as<SequencePtr>());
  if (value.is<DictPtr>()) return repr_dict(*value.as<DictPtr>());
  if (value.is<FunctionPtr>()) return put("<built-in method " + value.as<FunctionPtr>()->name + ">");
  put(value.as<Object*>()->shown(budget_));
}

void Writer::repr_items(const std::vector<Value>& items, const char* open, const char* close) {
  put(open);
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) put(", ");
    repr(items[i]);
  }
  put(close);
}

void Writer::repr_sequence(const Sequence& sequence) {
  switch (sequence.kind) {
    case Sequence::kList: return repr_items(sequence.items, "[", "]");
    case Sequence::kTuple: return repr_items(sequence.items, "(", sequence.items.size() == 1 ? ",)" : ")");
    case Sequence::kKeys: return repr_items(sequence.items, "dict_keys([", "])");
    case Sequence::kValues: return repr_items(sequence.items, "dict_values([", "])");
    case Sequence::kItems: return repr_items(sequence.items, "dict_items([", "])");
    case Sequence::kRange:
      return put(str("range(", sequence.start, ", ", sequence.stop,
                     sequence.step == 1 ? std::string() : str(", ", sequence.step), ")"));
    case Sequence::kGenerator: put("<generator object>");
  }
}

void Writer::repr_dict(const Dict& dict) {
  put("{");
  for (size_t i = 0; i < dict.entries.size(); ++i) {
    if (i > 0) put(", ");
    repr(dict.entries[i].first);
    put(": ");
    repr(dict.entries[i].second);
  }
  put("}");
}

void Writer::json_text(std::string_view text, bool ascii) {
  std::string out = "\"";
  for (const char *at = text.data(), *end = at + text.size(); at < end;) {
    const char* begin = at;
    uint32_t code = next_code_point(at);
    constexpr std::string_view escaped = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
    size_t known = code < 0x80 ? escaped.find(static_cast<char>(code)) : std::string_view::npos;
    if (known != std::string_view::npos) {
      out += '\\', out += letters[known];
    } else if (code < 0x20 || (ascii && code >= 0x7F && code < 0x10000)) {
      out += "\\u" + hex(code, 4);
    } else if (ascii && code >= 0x10000) {
      out += "\\u" + hex(0xD800 + ((code - 0x10000) >> 10), 4) + "\\u" + hex(0xDC00 + ((code - 0x10000) & 0x3FF), 4);
    } else {
      out.append(begin, at);
    }
  }
  put(out + "\"");
}

void Writer::json(const Value& value, const JsonStyle& style, int level) {
  if (value.is<None>()) return put("null");
  if (value.is<bool>()) return put(value.as<bool>() ? "true" : "false");
  if (value.is<int64_t>()) return put(std::to_string(value.as<int64_t>()));
  if (value.is<double>()) {
    double number = value.as<double>();
    return put(std::isnan(number)   ? "NaN"
               : std::isinf(number) ? (number > 0 ? "Infinity" : "-Infinity")
                                    : repr_real(number));
  }
  if (value.is_text()) return json_text(value.bytes(), style.ascii);
  if (value.is<DictPtr>()) return json_dict(*value.as<DictPtr>(), style, level);
  bool is_list = value.is<SequencePtr>() && value.as<SequencePtr>()->kind <= Sequence::kTuple;
  check(is_list, "Object of type ", type_name(value), " is not JSON serializable");
  json_list(value.as<SequencePtr>()->items, style, level);
}

void Writer::new_line(const JsonStyle& style, int level) {
  if (!style.indented) return;
  put("\n");
  for (int i = 0; i < level; ++i) put(style.indent);
}

void Writer::json_list(const std::vector<Value>& items, const JsonStyle& style, int level) {
  if (items.empty()) return put("[]");
  put("[");
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) put(style.item);
    new_line(style, level + 1);
    json(items[i], style, level + 1);
  }
  new_line(style, level);
  put("]");
}

void Writer::json_dict(const Dict& dict, const JsonStyle& style, int level) {
  if (dict.entries.empty()) return put("{}");
  std::vector<std::pair<Value, Value>> entries = dict.entries;
  if (style.sorted)
    std::stable_sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
      return order(a.first, b.first, "<", budget_) == std::partial_ordering::less;
    });
  put("{");
  for (size_t i = 0; i < entries.size(); ++i) {
    const Value& key = entries[i].first;
    check(key.is_text() || key.is_number() || key.is<None>(), "keys must be str, int, float, bool or None, not ",
          type_name(key));
    if (i > 0) put(style.item);
    new_line(style, level + 1);
    json_text(key.is_text() ? key.bytes() : to_json(key, style, budget_), style.ascii);
    put(style.key);
    json(entries[i].second, style, level + 1);
  }
  new_line(style, level);
  put("}");
}

}  // namespace

std::string repr_real(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[40];
  auto result = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string shortest(buffer, result.ptr);  // -d.ddde+XX
  size_t e = shortest.find('e');
  const int exponent = std::stoi(shortest.substr(e + 1));
  if (exponent < -4 || exponent >= 16) {
    char tail[16];
    std::snprintf(tail, sizeof tail, "e%c%02d", exponent < 0 ? '-' : '+', std::abs(exponent));
    return shortest.substr(0, e) + tail;
  }
  char fixed[40];
  auto end = std::to_chars(fixed, fixed + sizeof fixed, value, std::chars_format::fixed).ptr;
  std::string out(fixed, end);
  return out.find('.') == std::string::npos ? out + ".0" : out;
}

std::string to_text(const Value& value, Budget& budget) {
  if (value.is_text()) return value.bytes();
  if (value.is<Undefined>()) return "";
  return repr(value, budget);
}

std::string repr(const Value& value, Budget& budget) {
  Writer writer(budget);
  writer.repr(value);
  return writer.take();
}

std::string to_json(const Value& value, const JsonStyle& style, Budget& budget) {
  Writer writer(budget);
  writer.json(value, style, 0);
  return writer.take();
}

}  // namespace longhaul::jinja
