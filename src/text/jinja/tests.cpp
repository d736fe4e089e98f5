// The tests of `is`, and the tables of filters and tests by name.
#include <algorithm>
#include <cmath>

#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_string.h"
#include "text/jinja/python_text.h"
#include "text/utf8.h"

namespace longhaul::jinja {

namespace {

using Test = bool (*)(const Value& value);
using Comparison = const char*;  // an operator

bool is_sequence(const Value& value) {  // has a length and items by key
  const bool indexable = value.is<SequencePtr>() && value.as<SequencePtr>()->kind <= Sequence::kRange;
  return value.is<Undefined>() || value.is_text() || value.is<DictPtr>() || indexable;
}

bool is_callable(const Value& value) {
  return value.is<FunctionPtr>() || value.is<Undefined>() ||
         (value.is<Object*>() && value.as<Object*>()->type_name() != "Namespace");
}

// There are letters with case, and all of them have this one.
template <bool (*is)(uint32_t), bool (*is_not)(uint32_t)>
bool has_case(const Value& value) {
  Budget budget{Limits()};
  const std::string bytes = to_text(value, budget);
  bool found = false;
  for (const char *at = bytes.data(), *end = at + bytes.size(); at < end;) {
    const uint32_t code = next_code_point(at);
    if (is_not(code)) return false;
    found |= is(code);
  }
  return found;
}

const std::map<std::string, Test, std::less<>>& plain_tests() {
  static const std::map<std::string, Test, std::less<>> table = {
      {"boolean", [](const Value& value) { return value.is<bool>(); }},
      {"callable", is_callable},
      {"defined", [](const Value& value) { return !value.is<Undefined>(); }},
      {"escaped", [](const Value& value) { return value.is_text() && value.as<TextPtr>()->markup; }},
      {"false", [](const Value& value) { return value.is<bool>() && !value.as<bool>(); }},
      {"filter", [](const Value& value) { return value.is_text() && missing_filter(value.bytes()).empty(); }},
      {"float", [](const Value& value) { return value.is<double>(); }},
      {"integer", [](const Value& value) { return value.is<int64_t>(); }},
      {"iterable", [](const Value& value) { return is_iterable(value) || type_name(value) == "LoopContext"; }},
      {"lower", has_case<is_lower, is_upper>},
      {"mapping", [](const Value& value) { return value.is<DictPtr>(); }},
      {"none", [](const Value& value) { return value.is<None>(); }},
      {"number", [](const Value& value) { return value.is_number(); }},
      {"sequence", is_sequence},
      {"string", [](const Value& value) { return value.is_text(); }},
      {"test", [](const Value& value) { return value.is_text() && missing_test(value.bytes()).empty(); }},
      {"true", [](const Value& value) { return value.is<bool>() && value.as<bool>(); }},
      {"undefined", [](const Value& value) { return value.is<Undefined>(); }},
      {"upper", has_case<is_upper, is_lower>},
  };
  return table;
}

const std::map<std::string, Comparison, std::less<>>& comparisons() {
  static const std::map<std::string, Comparison, std::less<>> table = {
      {"==", "=="}, {"eq", "=="}, {"equalto", "=="},    {"!=", "!="}, {"ne", "!="}, {">", ">"},
      {"gt", ">"},  {">=", ">="}, {"greaterthan", ">"}, {"ge", ">="}, {"<", "<"},   {"lt", "<"},
      {"<=", "<="}, {"le", "<="}, {"lessthan", "<"},    {"in", "in"},
  };
  return table;
}

bool is_same(const Value& a, const Value& b) {
  if (a.data.index() != b.data.index()) return false;
  if (a.is_text()) return a.as<TextPtr>() == b.as<TextPtr>() || a.bytes() == b.bytes();  // Python interns most of them
  if (a.is<SequencePtr>()) return a.as<SequencePtr>() == b.as<SequencePtr>();
  if (a.is<DictPtr>()) return a.as<DictPtr>() == b.as<DictPtr>();
  Budget budget{Limits()};
  return equal(a, b, budget);
}

// odd, even, divisibleby: value % divisor == rest
bool leaves(const Value& value, const Value& divisor, int64_t rest, Budget& budget) {
  return equal(combined("%", value, divisor, budget), whole(rest), budget);
}

}  // namespace

std::string missing_filter(const std::string& name) {
  if (text_filters().count(name) + sequence_filters().count(name) > 0) return "";
  for (const char* known : {"filesizeformat", "forceescape", "groupby", "pprint", "random", "striptags", "urlencode",
                            "urlize", "wordwrap", "xmlattr"})
    if (name == known) return "filter '" + name + "' is not supported";
  return "No filter named '" + name + "'.";
}

std::string missing_test(const std::string& name) {
  bool known = plain_tests().count(name) + comparisons().count(name) > 0 || name == "odd" || name == "even" ||
               name == "divisibleby" || name == "sameas";
  return known ? "" : "No test named '" + name + "'.";
}

Value apply_filter(Interpreter& interpreter, const std::string& name, const Value& input, const Arguments& arguments) {
  interpreter.budget().look(input.is_text() ? input.bytes().size() : 0);
  for (const FilterTable* table : {&text_filters(), &sequence_filters()})
    if (auto found = table->find(name); found != table->end()) return found->second(interpreter, input, arguments);
  fail(missing_filter(name));
}

bool apply_test(Interpreter& interpreter, const std::string& name, const Value& input, const Arguments& arguments) {
  const std::string missing = missing_test(name);
  check(missing.empty(), missing);
  Budget& budget = interpreter.budget();
  budget.look(input.is_text() ? input.bytes().size() : 0);
  if (auto found = plain_tests().find(name); found != plain_tests().end()) {
    Parameters none(arguments, name, {});
    return found->second(input);
  }
  if (name == "odd" || name == "even") {
    Parameters none(arguments, name, {});
    return leaves(input, whole(2), name == "odd", budget);
  }
  Parameters given(arguments, name, {"other"}, 1);
  if (name == "divisibleby") return leaves(input, given[0], 0, budget);
  if (name == "sameas") return is_same(input, given[0]);
  return compared(comparisons().at(name), input, given[0], budget);
}

}  // namespace longhaul::jinja
