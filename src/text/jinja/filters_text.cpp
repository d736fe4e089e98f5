// Filters of texts and numbers.
#include <cmath>

#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/python_string.h"
#include "text/jinja/python_text.h"
#include "text/unicode.h"

namespace longhaul::jinja {

namespace {

Value made(Interpreter& interpreter, std::string bytes) {
  interpreter.budget().make(bytes.size());
  return text(std::move(bytes));
}

// A filter that maps a text to a text.
template <std::string (*map)(std::string_view)>
Value mapped(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters none(arguments, "filter", {});
  return made(interpreter, map(to_text(input, interpreter.budget())));
}

Value trim(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "trim", {"chars"});
  const std::string whole = to_text(input, interpreter.budget());
  std::optional<std::string_view> set;
  if (given.has_value(0)) set = given.text(0);
  return made(interpreter, std::string(strip(whole, set, true, true)));
}

// Words begin behind white space, "-" and opening brackets.
std::string titled_words(std::string_view whole) {
  std::string out, word;
  auto flush = [&] {
    const size_t first = word.empty() ? 0 : utf8_step(word).length;
    out += upper(std::string_view(word).substr(0, first)) + lower(std::string_view(word).substr(first));
    word.clear();
  };
  for (const char *at = whole.data(), *end = at + whole.size(); at < end;) {
    const char* begin = at;
    const uint32_t code = next_code_point(at);
    const bool between = is_space(code) || code == '-' || code == '(' || code == '{' || code == '[' || code == '<';
    if (!between) {
      word.append(begin, at);
      continue;
    }
    flush();
    out.append(begin, at);
  }
  flush();
  return out;
}

Value replace(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "replace", {"old", "new", "count"}, 2);
  Budget& budget = interpreter.budget();
  const int64_t most = given.has_value(2) ? given.whole_or(2, -1) : -1;
  return text(replaced(to_text(input, budget), to_text(given[0], budget), to_text(given[1], budget), most, budget));
}

Value string(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters none(arguments, "string", {});
  return input.is_text() ? input : made(interpreter, to_text(input, interpreter.budget()));
}

Value marked(const std::string& bytes) {
  return {std::make_shared<const Text>(Text{bytes, count_characters(bytes), true})};
}

Value safe(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters none(arguments, "safe", {});
  return marked(to_text(input, interpreter.budget()));
}

Value escape(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters none(arguments, "escape", {});
  if (input.is_text() && input.as<TextPtr>()->markup) return input;
  std::string out = escaped(to_text(input, interpreter.budget()));
  interpreter.budget().make(out.size());
  return marked(out);
}

Value center(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "center", {"width"});
  Arguments width;
  width.positional.push_back(whole(given.whole_or(0, 80)));
  return interpreter.call(*method_of(text(to_text(input, interpreter.budget())), "center"), width);
}

Value indent(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "indent", {"width", "first", "blank"});
  require_defined(input);
  check(input.is_text(), "unsupported operand type(s) for +=: '", type_name(input), "' and 'str'");
  Budget& budget = interpreter.budget();
  std::string margin;
  if (given.has(0)) require_defined(given[0]);
  if (given.has(0) && given[0].is_text()) {
    margin = given.text(0);
  } else {
    const int64_t width = std::max<int64_t>(given.whole_or(0, 4), 0);
    budget.make(static_cast<size_t>(width));
    margin.assign(static_cast<size_t>(width), ' ');
  }
  const bool first = given.truth_or(1, false), blank = given.truth_or(2, false);
  std::string out;
  bool at_first = true;
  for (const std::string& line : split_lines(input.bytes() + "\n", false, budget)) {
    budget.make(line.size() + margin.size() + 1);
    if (!at_first) out += '\n';
    if (at_first ? first : blank || !line.empty()) out += margin;
    out += line;
    at_first = false;
  }
  return text(std::move(out));
}

Value truncate(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "truncate", {"length", "killwords", "end", "leeway"});
  if (input.is<Undefined>()) return input;
  check(input.is_text(), "truncate: wanted a string, got '", type_name(input), "'");
  const Text& whole = *input.as<TextPtr>();
  const std::string end = given.text_or(2, "...");
  const int64_t length = given.whole_or(0, 255), tail = count_characters(end);
  const int64_t leeway = given.has_value(3) ? given.whole_or(3, 5) : 5;
  check(length >= tail, "expected length >= ", tail, ", got ", length);
  check(leeway >= 0, "expected leeway >= 0, got ", leeway);
  if (whole.characters <= length + std::min(leeway, INT64_MAX - length)) return input;
  std::string_view kept = characters(whole, 0, length - tail);
  if (!given.truth_or(1, false)) kept = kept.substr(0, kept.rfind(' '));
  return made(interpreter, std::string(kept) + end);
}

Value wordcount(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters none(arguments, "wordcount", {});
  const std::string bytes = to_text(input, interpreter.budget());
  int64_t words = 0;
  bool inside = false;
  for (const char *at = bytes.data(), *end = at + bytes.size(); at < end;) {
    const uint32_t code = next_code_point(at);
    const bool is_word = code == '_' || is_letter_or_number(code);
    words += is_word && !inside;
    inside = is_word;
  }
  return whole(words);
}

Value format(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  check(arguments.positional.empty() || arguments.named.empty(),
        "can't handle positional and keyword arguments at the same time");
  Budget& budget = interpreter.budget();
  Value values = tuple(arguments.positional);
  if (!arguments.named.empty()) {
    Dict named;
    for (const auto& [name, value] : arguments.named) named.set(text(name), value, budget);
    values = dict(std::move(named));
  }
  return text(format_percent(to_text(input, budget), values, budget));
}

Value to_whole(Interpreter&, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "int", {"default", "base"});
  require_defined(input);
  if (input.is_whole()) return whole(input.whole());
  std::optional<double> number;
  if (input.is<double>()) number = input.as<double>();
  if (input.is_text()) {
    if (std::optional<int64_t> value = parse_whole(input.bytes(), given.whole_or(1, 10))) return whole(*value);
    number = parse_real(input.bytes());
    if (number && std::isinf(*number)) number.reset();
  }
  if (!number || std::isnan(*number)) return given.value_or(0, whole(0));
  check(!std::isinf(*number), "cannot convert float infinity to integer");
  check(std::abs(*number) < 0x1p63, "an integer beyond 64 bits");
  return whole(static_cast<int64_t>(*number));
}

Value to_real(Interpreter&, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "float", {"default"});
  require_defined(input);
  if (input.is_number()) return real(input.real());
  std::optional<double> number = input.is_text() ? parse_real(input.bytes()) : std::nullopt;
  return number ? real(*number) : given.value_or(0, real(0));
}

Value absolute(Interpreter&, const Value& input, const Arguments& arguments) {
  Parameters none(arguments, "abs", {});
  check(input.is_number(), "bad operand type for abs(): '", type_name(input), "'");
  if (input.is<double>()) return real(std::abs(input.as<double>()));
  check(input.whole() != INT64_MIN, "an integer beyond 64 bits");
  return whole(std::abs(input.whole()));
}

Value round(Interpreter&, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "round", {"precision", "method"});
  require_defined(input);
  check(input.is_number(), "type ", type_name(input), " doesn't define __round__ method");
  const int64_t precision = given.whole_or(0, 0);
  const std::string method = given.text_or(1, "common");
  check(method == "common" || method == "ceil" || method == "floor", "method must be common, ceil or floor");
  const double number = input.real(), scale = std::pow(10.0, static_cast<double>(precision));
  if (method != "common")
    return real((method == "ceil" ? std::ceil(number * scale) : std::floor(number * scale)) / scale);
  if (input.is_whole() && precision >= 0) return whole(input.whole());
  if (precision < 0) {
    const double rounded = std::nearbyint(number * scale) / scale;
    return input.is_whole() ? whole(static_cast<int64_t>(rounded)) : real(rounded);
  }
  if (!std::isfinite(number) || precision > 300) return real(number);
  char digits[720];  // rounded as the exact decimal expansion, half to even
  std::snprintf(digits, sizeof digits, "%.*f", static_cast<int>(precision), number);
  return real(std::strtod(digits, nullptr));
}

Value to_json_text(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = given.truth_or(0, false);
  style.indented = given.has_value(1);
  if (style.indented) {
    style.item = ",";
    const int64_t spaces = given[1].is_text() ? 0 : std::clamp<int64_t>(given.whole_or(1, 0), 0, 1000);
    style.indent = given[1].is_text() ? given.text(1) : std::string(static_cast<size_t>(spaces), ' ');
  }
  if (given.has_value(2)) {
    const std::vector<Value> parts = items_of(given[2], interpreter.budget());
    check(parts.size() == 2 && parts[0].is_text() && parts[1].is_text(), "tojson: separators: wanted two strings");
    style.item = parts[0].bytes(), style.key = parts[1].bytes();
  }
  style.sorted = given.truth_or(3, false);
  return text(to_json(input, style, interpreter.budget()));
}

Value default_value(Interpreter&, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "default", {"default_value", "boolean"});
  const bool missing = input.is<Undefined>() || (given.truth_or(1, false) && !truth(input));
  return missing ? given.value_or(0, text("")) : input;
}

}  // namespace

const FilterTable& text_filters() {
  static const FilterTable table = {
      {"abs", absolute},
      {"capitalize", mapped<capitalized>},
      {"center", center},
      {"d", default_value},
      {"default", default_value},
      {"e", escape},
      {"escape", escape},
      {"float", to_real},
      {"format", format},
      {"indent", indent},
      {"int", to_whole},
      {"lower", mapped<lower>},
      {"replace", replace},
      {"round", round},
      {"safe", safe},
      {"string", string},
      {"title", mapped<titled_words>},
      {"tojson", to_json_text},
      {"trim", trim},
      {"truncate", truncate},
      {"upper", mapped<upper>},
      {"wordcount", wordcount},
  };
  return table;
}

}  // namespace longhaul::jinja
