// str.format and the % operator.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/interpreter.h"
#include "text/jinja/python_string.h"
#include "text/jinja/python_text.h"
#include "text/utf8.h"

namespace longhaul::jinja {

namespace {

struct FieldStyle {
  std::string fill = " ";
  char align = 0;  // < > ^ =; 0: the type's own
  char sign = '-';
  bool alternate = false, commas = false;
  int64_t width = 0, precision = -1;
  char type = 0;
};

constexpr int64_t kMostPrecision = 500;

int64_t take_number(std::string_view& rest, int64_t otherwise) {
  int64_t number = 0;
  auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (end == rest.data()) return otherwise;
  check(error == std::errc() && number >= 0, "format: too many digits in '", rest, "'");
  rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  return number;
}

// [[fill]align][sign][#][0][width][,][.precision][type]
FieldStyle parse_style(std::string_view text) {
  FieldStyle style;
  constexpr std::string_view aligns = "<>^=";
  std::string_view rest = text;
  size_t first = rest.empty() ? 0 : utf8_step(rest).length;
  auto is_one_of = [](std::string_view set, std::string_view from) {
    return !from.empty() && set.find(from.front()) != std::string_view::npos;
  };
  if (first > 0 && is_one_of(aligns, rest.substr(first))) {
    style.fill = rest.substr(0, first), style.align = rest[first];
    rest.remove_prefix(first + 1);
  } else if (is_one_of(aligns, rest)) {
    style.align = rest.front(), rest.remove_prefix(1);
  }
  if (is_one_of("+- ", rest)) style.sign = rest.front(), rest.remove_prefix(1);
  if (is_one_of("#", rest)) style.alternate = true, rest.remove_prefix(1);
  if (is_one_of("0", rest)) {
    if (style.align == 0) style.fill = "0", style.align = '=';
    rest.remove_prefix(1);
  }
  style.width = take_number(rest, 0);
  if (is_one_of(",", rest)) style.commas = true, rest.remove_prefix(1);
  if (is_one_of(".", rest)) {
    rest.remove_prefix(1);
    style.precision = take_number(rest, -1);
    check(style.precision >= 0, "Format specifier missing precision");
  }
  if (rest.size() == 1) style.type = rest.front(), rest.remove_prefix(1);
  check(rest.empty(), "format: '", text, "' is not supported");
  check(style.precision <= kMostPrecision, "format: wanted at most ", kMostPrecision, " digits, got ", style.precision);
  return style;
}

// `sign` stands before padding by '='.
std::string padded(const std::string& sign, const std::string& body, const FieldStyle& style, char default_align,
                   Budget& budget) {
  const int64_t size = count_characters(sign) + count_characters(body), missing = style.width - size;
  if (missing <= 0) return sign + body;
  budget.make(static_cast<size_t>(missing), style.fill.size());
  const char align = style.align != 0 ? style.align : default_align;
  const int64_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  std::string before, after;
  for (int64_t i = 0; i < missing; ++i) (i < left ? before : after) += style.fill;
  return align == '=' ? sign + before + body : before + sign + body + after;
}

std::string with_thousands(std::string digits) {
  size_t end = digits.find_first_not_of("0123456789");
  if (end == std::string::npos) end = digits.size();
  for (size_t at = end; at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string digits_of(uint64_t magnitude, const FieldStyle& style) {
  const int base = style.type == 'x' || style.type == 'X' ? 16 : style.type == 'o' ? 8 : style.type == 'b' ? 2 : 10;
  char buffer[72];
  std::string digits(buffer, std::to_chars(buffer, buffer + sizeof buffer, magnitude, base).ptr);
  if (style.type == 'X') digits = upper(digits);
  if (style.alternate && base != 10) digits = str("0", style.type, digits);
  return digits;
}

std::string sign_of(bool negative, const FieldStyle& style) {
  return negative ? "-" : style.sign == '-' ? "" : std::string(1, style.sign);
}

std::string format_whole(int64_t value, const FieldStyle& style, Budget& budget) {
  uint64_t magnitude = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  std::string digits = digits_of(magnitude, style);
  if (style.commas) digits = with_thousands(digits);
  return padded(sign_of(value < 0, style), digits, style, '>', budget);
}

std::string format_real(double value, const FieldStyle& style, Budget& budget) {
  const std::string shown = repr_real(std::abs(value));
  std::string digits = shown;
  if (std::isfinite(value) && (style.type != 0 || style.precision >= 0)) {
    check(style.type != 0, "format: a precision without a type is not supported");
    char pattern[8], buffer[1024];
    std::snprintf(pattern, sizeof pattern, "%%.*%c", style.type == '%' ? 'f' : style.type);
    std::snprintf(buffer, sizeof buffer, pattern, static_cast<int>(style.precision < 0 ? 6 : style.precision),
                  style.type == '%' ? std::abs(value) * 100 : std::abs(value));
    digits = buffer;
  }
  if (style.commas) digits = with_thousands(digits);
  if (style.type == '%') digits += "%";
  return padded(sign_of(std::signbit(value), style), digits, style, '>', budget);
}

bool is_one_of(char type, std::string_view types) { return types.find(type) != std::string_view::npos; }

// format(value, style)
std::string format_value(const Value& value, std::string_view spelled, Budget& budget) {
  if (spelled.empty()) return to_text(value, budget);
  const FieldStyle style = parse_style(spelled);
  const bool whole_type = style.type == 0 || is_one_of(style.type, "dxXob");
  if (value.is_text() && (style.type == 0 || style.type == 's') && style.align != '=') {
    std::string text = value.bytes();
    if (style.precision >= 0 && style.precision < value.as<TextPtr>()->characters)
      text = characters(*value.as<TextPtr>(), 0, style.precision);
    return padded("", text, style, '<', budget);
  }
  if (value.is_whole() && whole_type && style.precision < 0) return format_whole(value.whole(), style, budget);
  if (value.is_number() && (style.type == 0 ? value.is<double>() : is_one_of(style.type, "fFeEgG%")))
    return format_real(value.real(), style, budget);
  check(value.is_number() || value.is_text(), "unsupported format string passed to ", type_name(value), ".__format__");
  fail("format: '", spelled, "' is not supported for '", type_name(value), "'");
}

// The fields of str.format, one after the other.
class FieldReader {
 public:
  FieldReader(const Arguments& arguments, Interpreter& interpreter)
      : arguments_(arguments), interpreter_(interpreter) {}

  std::string field(std::string_view text) {  // name[!conversion][:style]
    size_t colon = text.find(':');
    std::string_view name = text.substr(0, colon), style = colon == text.npos ? "" : text.substr(colon + 1);
    check(style.find('{') == style.npos, "format: a field inside the field '", text, "' is not supported");
    size_t mark = name.find('!');
    std::string_view conversion = mark == name.npos ? "" : name.substr(mark + 1);
    Value value = lookup(name.substr(0, mark));
    check(conversion.empty() || conversion == "r" || conversion == "s", "format: the conversion '!", conversion,
          "' is not supported");
    Budget& budget = interpreter_.budget();
    if (conversion == "r") value = longhaul::jinja::text(repr(value, budget));
    if (conversion == "s") value = longhaul::jinja::text(to_text(value, budget));
    return format_value(value, style, budget);
  }

 private:
  Value lookup(std::string_view name) {  // first(.attribute|[item])*
    size_t end = std::min(name.find_first_of(".["), name.size());
    Value value = first(name.substr(0, end));
    for (std::string_view rest = name.substr(end); !rest.empty();) {
      const bool item = rest.front() == '[';
      size_t stop = item ? rest.find(']') : std::min(rest.find_first_of(".[", 1), rest.size());
      check(stop != rest.npos, "Missing ']' in format string");
      std::string key(rest.substr(1, stop - 1));
      rest.remove_prefix(stop + item);
      std::optional<int64_t> index = item ? parse_whole(key, 10) : std::nullopt;
      value = !item ? interpreter_.attribute(value, key)
                    : interpreter_.item(value, index ? whole(*index) : longhaul::jinja::text(key));
    }
    return value;
  }
  Value first(std::string_view name) {
    std::optional<int64_t> index = name.empty() ? next_++ : parse_whole(name, 10);
    if (index) {
      check(*index >= 0 && *index < static_cast<int64_t>(arguments_.positional.size()), "tuple index out of range");
      return arguments_.positional[static_cast<size_t>(*index)];
    }
    for (const auto& [key, value] : arguments_.named)
      if (key == name) return value;
    fail("'", name, "'");
  }
  const Arguments& arguments_;
  Interpreter& interpreter_;
  int64_t next_ = 0;
};

// One "%..." of a format: its place in the arguments, and how it is shown.
class PercentReader {
 public:
  PercentReader(const Value& value, Budget& budget) : value_(value), budget_(budget) {
    if (value.is<SequencePtr>() && value.as<SequencePtr>()->kind == Sequence::kTuple)
      tuple_ = value.as<SequencePtr>().get();
  }

  std::string conversion(std::string_view& rest) {  // behind the %
    Value value;
    bool keyed = rest.starts_with('(');
    if (keyed) {
      size_t end = rest.find(')');
      check(end != rest.npos, "incomplete format key");
      check(value_.is<DictPtr>(), "format requires a mapping");
      const Value* found = value_.as<DictPtr>()->find(rest.substr(1, end - 1));
      check(found != nullptr, "'", rest.substr(1, end - 1), "'");
      value = *found, used_ = 1;
      rest.remove_prefix(end + 1);
    }
    FieldStyle style = flags(rest);
    check(!rest.empty(), "incomplete format");
    style.type = rest.front(), rest.remove_prefix(1);
    if (style.type == '%') return "%";
    return shown(keyed ? value : next(), style);
  }
  void finish() const {
    bool all = tuple_ ? used_ == tuple_->items.size() : used_ > 0 || takes_keys();
    check(all, "not all arguments converted during string formatting");
  }

 private:
  bool takes_keys() const {  // what Python takes for a mapping: nothing of it needs to be used
    const bool indexed = value_.is<SequencePtr>() && value_.as<SequencePtr>()->kind <= Sequence::kRange;
    return value_.is<DictPtr>() || value_.is<Undefined>() || indexed;
  }
  static FieldStyle flags(std::string_view& rest) {
    FieldStyle style;
    for (; !rest.empty() && is_one_of(rest.front(), "-0+ #"); rest.remove_prefix(1)) {
      if (rest.front() == '-') style.align = '<', style.fill = " ";
      if (rest.front() == '0' && style.align == 0) style.align = '=', style.fill = "0";
      if (rest.front() == '+' || (rest.front() == ' ' && style.sign == '-')) style.sign = rest.front();
      if (rest.front() == '#') style.alternate = true;
    }
    style.width = take_number(rest, 0);
    if (rest.starts_with('.')) {
      rest.remove_prefix(1);
      style.precision = take_number(rest, 0);
    }
    check(style.precision <= kMostPrecision, "format: wanted at most ", kMostPrecision, " digits, got ",
          style.precision);
    return style;
  }
  const Value& next() {
    check(used_ < (tuple_ ? tuple_->items.size() : 1), "not enough arguments for format string");
    return tuple_ ? tuple_->items[used_++] : (++used_, value_);
  }
  std::string shown(const Value& value, FieldStyle style) {
    if (style.type == 's' || style.type == 'r') {
      if (style.align == '=') style.align = '>', style.fill = " ";
      Value text = jinja::text(style.type == 's' ? to_text(value, budget_) : repr(value, budget_));
      const Text& whole = *text.as<TextPtr>();
      std::string kept(style.precision < 0 ? whole.bytes
                                           : characters(whole, 0, std::min(style.precision, whole.characters)));
      return padded("", kept, style, '>', budget_);
    }
    require_defined(value);
    check(is_one_of(style.type, "diuxXofFeEgG"), "format: '%", std::string(1, style.type), "' is not supported");
    const bool real_type = !is_one_of(style.type, "diuxXo");
    check(value.is_number() || !real_type, "must be real number, not ", type_name(value));
    check(value.is_number(), "%", std::string(1, style.type), " format: a real number is required, not ",
          type_name(value));
    if (real_type) return format_real(value.real(), style, budget_);
    check(is_one_of(style.type, "diu") || value.is_whole(), "%", std::string(1, style.type),
          " format: an integer is required, not ", type_name(value));
    check(style.precision < 0, "format: a precision of an integer is not supported");
    const double number = value.real();
    check(value.is_whole() || std::abs(number) < 0x1p63, "an integer beyond 64 bits");
    return format_whole(value.is_whole() ? value.whole() : static_cast<int64_t>(number), style, budget_);
  }

  const Value& value_;
  Budget& budget_;
  const Sequence* tuple_ = nullptr;
  size_t used_ = 0;
};

}  // namespace

std::string format_fields(std::string_view format, const Arguments& arguments, Interpreter& interpreter) {
  FieldReader reader(arguments, interpreter);
  std::string out;
  while (!format.empty()) {
    size_t plain = std::min(format.find_first_of("{}"), format.size());
    out += format.substr(0, plain);
    format.remove_prefix(plain);
    if (format.empty()) break;
    if (format.starts_with("{{") || format.starts_with("}}")) {
      out += format.front();
      format.remove_prefix(2);
      continue;
    }
    check(format.front() == '{', "Single '}' encountered in format string");
    size_t end = format.find('}');
    check(end != format.npos, "expected '}' before end of string");
    std::string field = reader.field(format.substr(1, end - 1));
    interpreter.budget().make(field.size());
    out += field;
    format.remove_prefix(end + 1);
  }
  return out;
}

std::string format_percent(std::string_view format, const Value& value, Budget& budget) {
  PercentReader reader(value, budget);
  std::string out;
  while (!format.empty()) {
    size_t plain = std::min(format.find('%'), format.size());
    out += format.substr(0, plain);
    format.remove_prefix(plain);
    if (format.empty()) break;
    format.remove_prefix(1);
    std::string shown = reader.conversion(format);
    budget.make(shown.size());
    out += shown;
  }
  reader.finish();
  return out;
}

}  // namespace longhaul::jinja
