// Filters of lists, dictionaries and whatever can be iterated.
#include <algorithm>
#include <numeric>

#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_string.h"
#include "text/jinja/python_text.h"

namespace longhaul::jinja {

namespace {

Value generator(std::vector<Value> items) { return sequence(Sequence::kGenerator, std::move(items)); }

// Python's split: empty parts stay, and no text has one.
std::vector<std::string> parts_of(const std::string& text, char separator) {
  return text.empty() ? std::vector<std::string>{""} : split(text, separator);
}

// "address.city", "0", 3: what to look up in each item, one part after the other.
class Path {
 public:
  explicit Path(const Value& attribute) {
    if (attribute.is<None>()) return;
    if (!attribute.is_text()) {
      parts_.push_back(attribute);
      return;
    }
    for (const std::string& part : parts_of(attribute.bytes(), '.')) {
      const std::optional<int64_t> index = all_characters(part, is_digit) ? parse_whole(part, 10) : std::nullopt;
      parts_.push_back(index ? whole(*index) : text(part));
    }
  }
  Value of(Interpreter& interpreter, Value value, const Value* fallback = nullptr) const {
    for (const Value& part : parts_) {
      value = interpreter.item(value, part);
      if (fallback && value.is<Undefined>()) value = *fallback;
    }
    return value;
  }

 private:
  std::vector<Value> parts_;
};

// What items are ordered and compared by.
Value key_of(const Value& value, bool case_sensitive) {
  return !case_sensitive && value.is_text() ? text(lower(value.bytes())) : value;
}

// Positions of `keys` in ascending (or descending) order; equal ones stay in theirs.
std::vector<size_t> sorted_positions(const std::vector<Value>& keys, bool reverse, Budget& budget) {
  std::vector<size_t> positions(keys.size());
  std::iota(positions.begin(), positions.end(), size_t{0});
  std::stable_sort(positions.begin(), positions.end(), [&](size_t a, size_t b) {
    return order(keys[reverse ? b : a], keys[reverse ? a : b], "<", budget) == std::partial_ordering::less;
  });
  return positions;
}

std::vector<Value> picked(const std::vector<Value>& items, const std::vector<size_t>& positions) {
  std::vector<Value> out;
  for (size_t position : positions) out.push_back(items[position]);
  return out;
}

Value size(Interpreter&, const Value& input, const Arguments& arguments) {
  Parameters none(arguments, "length", {});
  return whole(length(input));
}

Value first(Interpreter&, const Value& input, const Arguments& arguments) {
  Parameters none(arguments, "first", {});
  return Cursor(input).next().value_or(undefined("No first item, sequence was empty."));
}

Value last(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters none(arguments, "last", {});
  const bool reversible = is_iterable(input) && type_name(input) != "generator";
  check(reversible, "'", type_name(input), "' object is not reversible");
  const std::vector<Value> items = items_of(input, interpreter.budget());
  return items.empty() ? undefined("No last item, sequence was empty.") : items.back();
}

Value join(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "join", {"d", "attribute"});
  Budget& budget = interpreter.budget();
  const std::string separator = given.has(0) ? to_text(given[0], budget) : "";
  const Path path(given.value_or(1, Value()));
  std::string out;
  bool at_first = true;
  for (Cursor cursor(input); std::optional<Value> item = cursor.next(); at_first = false) {
    const std::string shown = to_text(path.of(interpreter, *item), budget);
    budget.make(separator.size() + shown.size());
    if (!at_first) out += separator;
    out += shown;
  }
  return text(std::move(out));
}

Value to_list(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters none(arguments, "list", {});
  return list(items_of(input, interpreter.budget()));
}

Value items(Interpreter&, const Value& input, const Arguments& arguments) {
  Parameters none(arguments, "items", {});
  if (input.is<Undefined>()) return generator({});
  check(input.is<DictPtr>(), "Can only get item pairs from a mapping.");
  std::vector<Value> pairs;
  for (const auto& [key, value] : input.as<DictPtr>()->entries) pairs.push_back(tuple({key, value}));
  return generator(std::move(pairs));
}

Value dictsort(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "dictsort", {"case_sensitive", "by", "reverse"});
  const std::string by = given.text_or(1, "key");
  check(by == "key" || by == "value", "You can only sort by either \"key\" or \"value\"");
  require_defined(input);
  check(input.is<DictPtr>(), "'", type_name(input), "' object has no attribute 'items'");
  std::vector<Value> pairs, keys;
  for (const auto& [key, value] : input.as<DictPtr>()->entries) {
    pairs.push_back(tuple({key, value}));
    keys.push_back(key_of(by == "key" ? key : value, given.truth_or(0, false)));
  }
  return list(picked(pairs, sorted_positions(keys, given.truth_or(2, false), interpreter.budget())));
}

Value sort(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "sort", {"reverse", "case_sensitive", "attribute"});
  std::vector<Path> paths;
  const Value attribute = given.value_or(2, Value());
  if (attribute.is_text())
    for (const std::string& part : parts_of(attribute.bytes(), ',')) paths.emplace_back(text(part));
  else
    paths.emplace_back(attribute);
  const std::vector<Value> all = items_of(input, interpreter.budget());
  std::vector<Value> keys;
  for (const Value& item : all) {
    std::vector<Value> parts;
    for (const Path& path : paths) parts.push_back(key_of(path.of(interpreter, item), given.truth_or(1, false)));
    keys.push_back(list(std::move(parts)));
  }
  return list(picked(all, sorted_positions(keys, given.truth_or(0, false), interpreter.budget())));
}

Value unique(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "unique", {"case_sensitive", "attribute"});
  const Path path(given.value_or(1, Value()));
  Budget& budget = interpreter.budget();
  Dict seen;
  std::vector<Value> out;
  for (Cursor cursor(input); std::optional<Value> item = cursor.next();) {
    const Value key = key_of(path.of(interpreter, *item), given.truth_or(0, false));
    if (seen.find(key, budget)) continue;
    seen.set(key, Value(), budget);
    out.push_back(*item);
  }
  return generator(std::move(out));
}

Value extreme(Interpreter& interpreter, const Value& input, const Arguments& arguments, bool largest) {
  Parameters given(arguments, largest ? "max" : "min", {"case_sensitive", "attribute"});
  const Path path(given.value_or(1, Value()));
  std::optional<Value> best, best_key;
  for (Cursor cursor(input); std::optional<Value> item = cursor.next();) {
    const Value key = key_of(path.of(interpreter, *item), given.truth_or(0, false));
    const auto better = largest ? std::partial_ordering::greater : std::partial_ordering::less;
    if (!best || order(key, *best_key, largest ? ">" : "<", interpreter.budget()) == better)
      best = item, best_key = key;
  }
  return best.value_or(undefined("No aggregated item, sequence was empty."));
}

Value smallest(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  return extreme(interpreter, input, arguments, false);
}
Value largest(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  return extreme(interpreter, input, arguments, true);
}

Value total(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "sum", {"attribute", "start"});
  const Path path(given.value_or(0, Value()));
  Value value = given.value_or(1, whole(0));
  check(!value.is_text(), "sum() can't sum strings [use ''.join(seq) instead]");
  for (Cursor cursor(input); std::optional<Value> item = cursor.next();)
    value = combined("+", value, path.of(interpreter, *item), interpreter.budget());
  return value;
}

Value reverse(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters none(arguments, "reverse", {});
  check(is_iterable(input), "argument must be iterable");
  std::vector<Value> items = items_of(input, interpreter.budget());
  std::reverse(items.begin(), items.end());
  if (!input.is_text()) return type_name(input) == "generator" ? list(std::move(items)) : generator(std::move(items));
  std::string out;
  for (const Value& character : items) out += character.bytes();
  return text(std::move(out));
}

Value batch(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "batch", {"linecount", "fill_with"}, 1);
  const int64_t count = given.whole_or(0, 0);
  std::vector<Value> lines, line;
  for (const Value& item : items_of(input, interpreter.budget())) {
    if (static_cast<int64_t>(line.size()) == count) lines.push_back(list(std::exchange(line, {})));
    line.push_back(item);
  }
  if (!line.empty()) {
    const int64_t missing = given.has_value(1) ? count - static_cast<int64_t>(line.size()) : 0;
    interpreter.budget().make(static_cast<size_t>(std::max<int64_t>(missing, 0)), sizeof(Value));
    for (int64_t i = 0; i < missing; ++i) line.push_back(given[1]);
    lines.push_back(list(std::move(line)));
  }
  return generator(std::move(lines));
}

Value slice(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "slice", {"slices", "fill_with"}, 1);
  const std::vector<Value> all = items_of(input, interpreter.budget());
  const int64_t slices = given.whole_or(0, 1), count = static_cast<int64_t>(all.size());
  check(slices != 0, "integer division or modulo by zero");
  interpreter.budget().make(static_cast<size_t>(std::max<int64_t>(slices, 0)), sizeof(Sequence));
  std::vector<Value> out;
  auto at = all.begin();
  for (int64_t i = 0; i < slices; ++i) {
    auto end = at + (count / slices + (i < count % slices));
    std::vector<Value> part(at, end);
    if (given.has_value(1) && i >= count % slices) part.push_back(given[1]);
    out.push_back(list(std::move(part)));
    at = end;
  }
  return generator(std::move(out));
}

Value attribute(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Parameters given(arguments, "attr", {"name"}, 1);
  require_defined(input);
  const bool item = input.is<DictPtr>() && !method_of(input, given.text(0));
  return item ? undefined_in(input, given[0], interpreter.budget()) : interpreter.attribute(input, given.text(0));
}

Value map(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  std::vector<Value> out;
  if (!truth(input)) return generator({});
  const bool by_attribute = arguments.positional.empty() && !arguments.named.empty();
  check(by_attribute || !arguments.positional.empty(), "map requires a filter argument");
  Cursor cursor(input);
  if (by_attribute) {
    Parameters given(arguments, "map", {"attribute", "default"}, 1);
    const Path path(given[0]);
    const Value* fallback = given.has_value(1) ? &given[1] : nullptr;
    while (std::optional<Value> item = cursor.next()) out.push_back(path.of(interpreter, *item, fallback));
    return generator(std::move(out));
  }
  const std::string name = to_text(arguments.positional[0], interpreter.budget());
  const Arguments rest{{arguments.positional.begin() + 1, arguments.positional.end()}, arguments.named};
  while (std::optional<Value> item = cursor.next()) out.push_back(apply_filter(interpreter, name, *item, rest));
  return generator(std::move(out));
}

// select, reject, and with an attribute selectattr, rejectattr: by a test, or by truth.
template <bool wanted, bool by_attribute>
Value select(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  std::vector<Value> out;
  if (!truth(input)) return generator({});
  check(!by_attribute || !arguments.positional.empty(), "Missing parameter for attribute name");
  const Path path(by_attribute ? arguments.positional[0] : Value());
  constexpr size_t test_at = by_attribute;
  const bool has_test = arguments.positional.size() > test_at;
  Arguments rest{{}, arguments.named};
  if (has_test) rest.positional.assign(arguments.positional.begin() + test_at + 1, arguments.positional.end());
  const std::string test = has_test ? to_text(arguments.positional[test_at], interpreter.budget()) : "";
  for (Cursor cursor(input); std::optional<Value> item = cursor.next();) {
    const Value value = path.of(interpreter, *item);
    const bool passes = has_test ? apply_test(interpreter, test, value, rest) : truth(value);
    if (passes == wanted) out.push_back(*item);
  }
  return generator(std::move(out));
}

}  // namespace

const FilterTable& sequence_filters() {
  static const FilterTable table = {
      {"attr", attribute},
      {"batch", batch},
      {"count", size},
      {"dictsort", dictsort},
      {"first", first},
      {"items", items},
      {"join", join},
      {"last", last},
      {"length", size},
      {"list", to_list},
      {"map", map},
      {"max", largest},
      {"min", smallest},
      {"reject", select<false, false>},
      {"rejectattr", select<false, true>},
      {"reverse", reverse},
      {"select", select<true, false>},
      {"selectattr", select<true, true>},
      {"slice", slice},
      {"sort", sort},
      {"sum", total},
      {"unique", unique},
  };
  return table;
}

}  // namespace longhaul::jinja
