#include <algorithm>

#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/python_text.h"

namespace longhaul::jinja {

namespace {

constexpr int64_t kLongestRange = 100'000;  // Jinja2's sandbox

Value make_range(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  Parameters given(arguments, "range", {"start", "stop", "step"}, 1);
  Sequence range;
  range.kind = Sequence::kRange;
  range.start = given.has(1) ? given.whole_or(0, 0) : 0;
  range.stop = given.has(1) ? given.whole_or(1, 0) : given.whole_or(0, 0);
  range.step = given.whole_or(2, 1);
  check(range.step != 0, "range() arg 3 must not be zero");
  const bool up = range.step > 0;
  const auto low = static_cast<uint64_t>(up ? range.start : range.stop),
             high = static_cast<uint64_t>(up ? range.stop : range.start);
  const bool empty = up ? range.stop <= range.start : range.start <= range.stop;
  const uint64_t step = up ? static_cast<uint64_t>(range.step) : 0 - static_cast<uint64_t>(range.step);
  const uint64_t count = empty ? 0 : (high - low - 1) / step + 1;
  check(count <= kLongestRange, "Range too big. The sandbox blocks ranges larger than MAX_RANGE (", kLongestRange,
        ").");
  interpreter.budget().make(count, sizeof(Value));
  for (uint64_t i = 0; i < count; ++i) range.items.push_back(whole(range.start + static_cast<int64_t>(i) * range.step));
  return {std::make_shared<const Sequence>(std::move(range))};
}

// dict(mapping or pairs, **named)
Dict entries_of(Interpreter& interpreter, const char* name, const Arguments& arguments) {
  check(arguments.positional.size() <= 1, name, " expected at most 1 argument, got ", arguments.positional.size());
  Budget& budget = interpreter.budget();
  Dict entries;
  if (!arguments.positional.empty()) {
    const Value& from = arguments.positional[0];
    require_defined(from);
    if (from.is<DictPtr>()) {
      entries = *from.as<DictPtr>();
      budget.make(entries.entries.size(), 2 * sizeof(Value));
    } else {
      int64_t number = 0;
      for (const Value& pair : items_of(from, budget)) {
        check(is_iterable(pair), "cannot convert dictionary update sequence element #", number, " to a sequence");
        const std::vector<Value> parts = items_of(pair, budget);
        check(parts.size() == 2, "dictionary update sequence element #", number++, " has length ", parts.size(),
              "; 2 is required");
        entries.set(parts[0], parts[1], budget);
      }
    }
  }
  for (const auto& [key, value] : arguments.named) entries.set(text(key), value, budget);
  return entries;
}

Value make_dict(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  return dict(entries_of(interpreter, "dict", arguments));
}

Value make_namespace(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  return interpreter.make_namespace(entries_of(interpreter, "namespace", arguments));
}

Value raise_exception(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  Parameters given(arguments, "raise_exception", {"message"}, 1);
  fail(to_text(given[0], interpreter.budget()));
}

Value strftime_now(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  Parameters given(arguments, "strftime_now", {"format"}, 1);
  const std::string& format = given.text(0);
  constexpr std::string_view supported = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyY%-";
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') continue;
    const char directive = ++i < format.size() ? format[i] : ' ';
    check(supported.find(directive) != supported.npos, "strftime_now: '%", std::string(1, directive),
          "' is not supported");
  }
  constexpr size_t kLongest = 4096;  // of a date
  check(format.size() <= kLongest / 64, "strftime_now: wanted a format of at most ", kLongest / 64, " bytes");
  char shown[kLongest];
  const std::tm now = interpreter.now();
  return text(std::string(shown, std::strftime(shown, sizeof shown, format.c_str(), &now)));
}

}  // namespace

std::optional<Value> global_function(const std::string& name) {
  static const std::map<std::string, Function::Body, std::less<>> table = {
      {"dict", make_dict},   {"namespace", make_namespace},  {"raise_exception", raise_exception},
      {"range", make_range}, {"strftime_now", strftime_now},
  };
  for (const char* known : {"cycler", "joiner", "lipsum"})
    check(name != known, "the global '", name, "' is not supported");
  auto found = table.find(name);
  if (found == table.end()) return std::nullopt;
  return Value{std::make_shared<const Function>(Function{name, Value(), found->second})};
}

}  // namespace longhaul::jinja
