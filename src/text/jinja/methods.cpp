// The methods of str, dict, list and tuple.
#include <algorithm>

#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/python_string.h"
#include "text/jinja/python_text.h"

namespace longhaul::jinja {

namespace {

using MethodTable = std::map<std::string, Function::Body, std::less<>>;

Value made(Interpreter& interpreter, std::string bytes) {
  interpreter.budget().make(bytes.size());
  return text(std::move(bytes));
}

Value list_of(const Parts& parts) {
  std::vector<Value> items;
  for (const std::string& part : parts) items.push_back(text(part));
  return list(std::move(items));
}

// ---- str
template <std::string (*map)(std::string_view)>
Value mapped(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  Parameters none(arguments, "str method", {});
  return made(interpreter, map(self.bytes()));
}

template <bool (*is)(uint32_t)>
Value all(Interpreter&, const Value& self, const Arguments& arguments) {
  Parameters none(arguments, "str method", {});
  return boolean(all_characters(self.bytes(), is));
}

template <bool left, bool right>
Value stripped(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  Parameters given(arguments, "strip", {"chars"});
  std::optional<std::string_view> set;
  if (given.has_value(0)) set = given.text(0);
  return made(interpreter, std::string(strip(self.bytes(), set, left, right)));
}

template <auto split_by>
Value split_up(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  Parameters given(arguments, "split", {"sep", "maxsplit"});
  std::optional<std::string_view> separator;
  if (given.has_value(0)) separator = given.text(0);
  return list_of(split_by(self.bytes(), separator, given.whole_or(1, -1), interpreter.budget()));
}

Value splitlines(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  Parameters given(arguments, "splitlines", {"keepends"});
  return list_of(split_lines(self.bytes(), given.truth_or(0, false), interpreter.budget()));
}

// [start, end) of an optional range of characters, as Python's find and startswith take it.
struct Window {
  int64_t begin, end;
  Window(const Parameters& given, int64_t size) {
    auto inside = [&](int64_t index) { return std::clamp<int64_t>(index < 0 ? index + size : index, 0, size); };
    begin = given.has_value(1) ? given.whole_or(1, 0) : 0;
    const bool beyond = begin > size;
    begin = inside(begin);
    end = given.has_value(2) ? inside(given.whole_or(2, 0)) : size;
    if (beyond) end = -1;  // not even an empty text is found there
  }
};

template <bool at_start>
Value has_end(Interpreter&, const Value& self, const Arguments& arguments) {
  const char* name = at_start ? "startswith" : "endswith";
  Parameters given(arguments, name, {"prefix", "start", "end"}, 1);
  const Window window(given, self.as<TextPtr>()->characters);
  if (window.end < window.begin) return boolean(false);
  const std::string_view part = characters(*self.as<TextPtr>(), window.begin, window.end);
  auto fits = [&](const Value& text) {
    return at_start ? part.starts_with(text.bytes()) : part.ends_with(text.bytes());
  };
  const bool several = given[0].is<SequencePtr>() && given[0].as<SequencePtr>()->kind == Sequence::kTuple;
  if (!several) {
    check(given[0].is_text(), name, " first arg must be str or a tuple of str, not ", type_name(given[0]));
    return boolean(fits(given[0]));
  }
  for (const Value& text : given[0].as<SequencePtr>()->items) {
    check(text.is_text(), "tuple for ", name, " must only contain str, not ", type_name(text));
    if (fits(text)) return boolean(true);
  }
  return boolean(false);
}

template <bool from_right, bool must>
Value find(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  Parameters given(arguments, must ? "index" : "find", {"sub", "start", "end"}, 1);
  const std::string& wanted = given.text(0);
  const Window window(given, self.as<TextPtr>()->characters);
  size_t found = std::string_view::npos;
  std::string_view part;
  if (window.end >= window.begin) {
    part = characters(*self.as<TextPtr>(), window.begin, window.end);
    found = from_right ? find_last_text(part, wanted, interpreter.budget()) : find_text(part, wanted);
  }
  check(!must || found != part.npos, "substring not found");
  return whole(found == part.npos ? -1 : window.begin + count_characters(part.substr(0, found)));
}

Value count(Interpreter&, const Value& self, const Arguments& arguments) {
  Parameters given(arguments, "count", {"sub", "start", "end"}, 1);
  const std::string& wanted = given.text(0);
  const Window window(given, self.as<TextPtr>()->characters);
  if (window.end < window.begin) return whole(0);
  std::string_view part = characters(*self.as<TextPtr>(), window.begin, window.end);
  if (wanted.empty()) return whole(window.end - window.begin + 1);
  int64_t times = 0;
  for (size_t at = find_text(part, wanted); at != part.npos; at = find_text(part, wanted, at + wanted.size())) ++times;
  return whole(times);
}

Value replace(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  Parameters given(arguments, "replace", {"old", "new", "count"}, 2);
  return text(replaced(self.bytes(), given.text(0), given.text(1), given.whole_or(2, -1), interpreter.budget()));
}

Value join(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  Parameters given(arguments, "join", {"iterable"}, 1);
  check(is_iterable(given[0]), "can only join an iterable");
  std::string out;
  int64_t number = 0;
  for (Cursor cursor(given[0]); std::optional<Value> item = cursor.next(); ++number) {
    check(item->is_text(), "sequence item ", number, ": expected str instance, ", type_name(*item), " found");
    interpreter.budget().make(self.bytes().size() + item->bytes().size());
    if (number > 0) out += self.bytes();
    out += item->bytes();
  }
  return text(std::move(out));
}

template <bool from_right>
Value partition(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  Parameters given(arguments, "partition", {"sep"}, 1);
  const std::string &whole = self.bytes(), &separator = given.text(0);
  check(!separator.empty(), "empty separator");
  interpreter.budget().make(whole.size());
  const size_t at = from_right ? find_last_text(whole, separator, interpreter.budget()) : find_text(whole, separator);
  if (at == whole.npos) return from_right ? tuple({text(""), text(""), self}) : tuple({self, text(""), text("")});
  return tuple({text(whole.substr(0, at)), given[0], text(whole.substr(at + separator.size()))});
}

template <bool at_start>
Value without(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  Parameters given(arguments, at_start ? "removeprefix" : "removesuffix", {"text"}, 1);
  std::string_view whole = self.bytes();
  const std::string& part = given.text(0);
  if (at_start ? whole.starts_with(part) : whole.ends_with(part))
    whole = at_start ? whole.substr(part.size()) : whole.substr(0, whole.size() - part.size());
  return made(interpreter, std::string(whole));
}

// ljust, rjust, center (which puts the odd one on the left when the width is odd, as Python does) and zfill.
template <char align>
Value padded(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  Parameters given(arguments, "padding", {"width", "fillchar"}, 1);
  const std::string fill = given.text_or(1, align == '0' ? "0" : " ");
  check(count_characters(fill) == 1, "The fill character must be exactly one character long");
  const int64_t width = given.whole_or(0, 0), missing = std::max<int64_t>(width - self.as<TextPtr>()->characters, 0);
  interpreter.budget().make(static_cast<size_t>(missing), fill.size());
  const int64_t left = align == '<' ? 0 : align == '^' ? missing / 2 + (missing & width & 1) : missing;
  std::string before, after;
  for (int64_t i = 0; i < missing; ++i) (i < left ? before : after) += fill;
  const std::string& whole = self.bytes();
  const bool is_signed = align == '0' && (whole.starts_with('-') || whole.starts_with('+'));
  return made(interpreter, whole.substr(0, is_signed) + before + whole.substr(is_signed) + after);
}

Value format(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return text(format_fields(self.bytes(), arguments, interpreter));
}

template <const char* const& test>
Value by_test(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return boolean(apply_test(interpreter, test, self, arguments));
}
constexpr const char* kUpper = "upper";
constexpr const char* kLower = "lower";

const MethodTable& text_methods() {
  static const MethodTable table = {
      {"capitalize", mapped<capitalized>},
      {"center", padded<'^'>},
      {"count", count},
      {"endswith", has_end<false>},
      {"find", find<false, false>},
      {"format", format},
      {"index", find<false, true>},
      {"isalnum", all<is_letter_or_number>},
      {"isalpha", all<is_letter>},
      {"isascii",
       [](Interpreter&, const Value& self, const Arguments&) { return boolean(self.as<TextPtr>()->ascii()); }},
      {"isdecimal", all<is_digit>},
      {"isdigit", all<is_digit>},
      {"islower", by_test<kLower>},
      {"isspace", all<is_space>},
      {"isupper", by_test<kUpper>},
      {"join", join},
      {"ljust", padded<'<'>},
      {"lower", mapped<lower>},
      {"lstrip", stripped<true, false>},
      {"partition", partition<false>},
      {"removeprefix", without<true>},
      {"removesuffix", without<false>},
      {"replace", replace},
      {"rfind", find<true, false>},
      {"rindex", find<true, true>},
      {"rjust", padded<'>'>},
      {"rpartition", partition<true>},
      {"rsplit", split_up<split_text_right>},
      {"rstrip", stripped<false, true>},
      {"split", split_up<split_text>},
      {"splitlines", splitlines},
      {"startswith", has_end<true>},
      {"strip", stripped<true, true>},
      {"swapcase", mapped<swapped_case>},
      {"title", mapped<titled>},
      {"upper", mapped<upper>},
      {"zfill", padded<'0'>},
  };
  return table;
}

// ---- dict
Value get(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  Parameters given(arguments, "get", {"key", "default"}, 1);
  const Value* found = self.as<DictPtr>()->find(given[0], interpreter.budget());
  return found ? *found : given.value_or(1, Value());
}

template <Sequence::Kind kind>
Value view(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  Parameters none(arguments, "dict method", {});
  const auto& entries = self.as<DictPtr>()->entries;
  interpreter.budget().make(entries.size(), 3 * sizeof(Value));
  std::vector<Value> items;
  for (const auto& [key, value] : entries)
    items.push_back(kind == Sequence::kKeys ? key : kind == Sequence::kValues ? value : tuple({key, value}));
  return sequence(kind, std::move(items));
}

Value copy(Interpreter&, const Value& self, const Arguments& arguments) {
  Parameters none(arguments, "copy", {});
  return self;  // nobody can change either
}

const MethodTable& dict_methods() {
  static const MethodTable table = {
      {"copy", copy},
      {"get", get},
      {"items", view<Sequence::kItems>},
      {"keys", view<Sequence::kKeys>},
      {"values", view<Sequence::kValues>},
  };
  return table;
}

// ---- list, tuple
Value count_items(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  Parameters given(arguments, "count", {"value"}, 1);
  int64_t times = 0;
  for (const Value& item : self.as<SequencePtr>()->items) times += equal(item, given[0], interpreter.budget());
  return whole(times);
}

Value index_of(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  Parameters given(arguments, "index", {"value"}, 1);
  const std::vector<Value>& items = self.as<SequencePtr>()->items;
  for (size_t i = 0; i < items.size(); ++i)
    if (equal(items[i], given[0], interpreter.budget())) return whole(static_cast<int64_t>(i));
  const Sequence::Kind kind = self.as<SequencePtr>()->kind;
  check(kind != Sequence::kTuple, "tuple.index(x): x not in tuple");
  fail(repr(given[0], interpreter.budget()), " is not in ", type_name(self));
}

const MethodTable& list_methods() {
  static const MethodTable table = {{"copy", copy}, {"count", count_items}, {"index", index_of}};
  return table;
}

bool is_one_of(const std::string& name, std::initializer_list<const char*> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::optional<Value> method_of(const Value& self, const std::string& name) {
  const Sequence* items = self.is<SequencePtr>() ? self.as<SequencePtr>().get() : nullptr;
  const bool is_list = items && items->kind == Sequence::kList, is_indexed = items && items->kind <= Sequence::kRange;
  const MethodTable* table = self.is_text()       ? &text_methods()
                             : self.is<DictPtr>() ? &dict_methods()
                             : is_indexed         ? &list_methods()
                                                  : nullptr;
  if (table == nullptr) return std::nullopt;
  if (auto found = table->find(name); found != table->end() && (is_list || !is_indexed || name != "copy"))
    return Value{std::make_shared<const Function>(Function{name, self, found->second})};
  const bool changes =
      self.is<DictPtr>() ? is_one_of(name, {"clear", "pop", "popitem", "setdefault", "update"})
      : is_list          ? is_one_of(name, {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"})
                         : false;
  if (changes) return undefined(str("access to attribute '", name, "' of '", type_name(self), "' object is unsafe."));
  const bool python_has = self.is_text()
                              ? is_one_of(name, {"casefold", "encode", "expandtabs", "format_map", "isidentifier",
                                                 "isnumeric", "isprintable", "istitle", "maketrans", "translate"})
                              : self.is<DictPtr>() && name == "fromkeys";
  check(!python_has, "the method '", name, "' of '", type_name(self), "' is not supported");
  return std::nullopt;
}

}  // namespace longhaul::jinja
