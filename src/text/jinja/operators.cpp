#include "text/jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/python_string.h"
#include "text/jinja/python_text.h"

namespace longhaul::jinja {

namespace {

[[noreturn]] void unsupported(const std::string& operation, const Value& left, const Value& right) {
  const std::string shown = operation == "**" ? "** or pow()" : operation;
  fail("unsupported operand type(s) for ", shown, ": '", type_name(left), "' and '", type_name(right), "'");
}

int64_t exact(bool overflows, int64_t value) {
  check(!overflows, "an integer beyond 64 bits");
  return value;
}

bool is_list(const Value& value) {
  return value.is<SequencePtr>() && value.as<SequencePtr>()->kind <= Sequence::kTuple;
}

Value joined_texts(const Text& left, const Text& right, Budget& budget) {
  const bool markup = left.markup || right.markup;
  std::string bytes = markup && !left.markup ? escaped(left.bytes) : left.bytes;
  bytes += markup && !right.markup ? escaped(right.bytes) : right.bytes;
  budget.make(bytes.size());
  Value value = text(std::move(bytes));
  if (!markup) return value;
  return {std::make_shared<const Text>(Text{value.bytes(), value.as<TextPtr>()->characters, true})};
}

Value sum(const Value& left, const Value& right, Budget& budget) {
  if (left.is_whole() && right.is_whole()) {
    int64_t value = 0;
    const bool overflows = __builtin_add_overflow(left.whole(), right.whole(), &value);
    return whole(exact(overflows, value));
  }
  if (left.is_number() && right.is_number()) return real(left.real() + right.real());
  if (left.is_text()) {
    check(right.is_text(), "can only concatenate str (not \"", type_name(right), "\") to str");
    return joined_texts(*left.as<TextPtr>(), *right.as<TextPtr>(), budget);
  }
  if (!is_list(left)) unsupported("+", left, right);
  const Sequence& first = *left.as<SequencePtr>();
  const bool alike = is_list(right) && right.as<SequencePtr>()->kind == first.kind;
  check(alike, "can only concatenate ", type_name(left), " (not \"", type_name(right), "\") to ", type_name(left));
  std::vector<Value> items = first.items;
  const std::vector<Value>& more = right.as<SequencePtr>()->items;
  budget.make(items.size() + more.size(), sizeof(Value));
  items.insert(items.end(), more.begin(), more.end());
  return sequence(first.kind, std::move(items));
}

// Texts and lists, so many times.
Value repeated(const Value& value, int64_t times, Budget& budget) {
  const size_t count = times < 0 ? 0 : static_cast<size_t>(times);
  budget.look(count);
  if (value.is_text()) {
    budget.make(count, value.bytes().size());
    std::string out;
    for (size_t i = 0; i < count && !value.bytes().empty(); ++i) out += value.bytes();
    return text(std::move(out));
  }
  const Sequence& whole = *value.as<SequencePtr>();
  budget.make(count, whole.items.size() * sizeof(Value));
  std::vector<Value> items;
  for (size_t i = 0; i < count && !whole.items.empty(); ++i)
    items.insert(items.end(), whole.items.begin(), whole.items.end());
  return sequence(whole.kind, std::move(items));
}

Value product(const Value& left, const Value& right, Budget& budget) {
  if (left.is_whole() && right.is_whole()) {
    int64_t value = 0;
    const bool overflows = __builtin_mul_overflow(left.whole(), right.whole(), &value);
    return whole(exact(overflows, value));
  }
  if (left.is_number() && right.is_number()) return real(left.real() * right.real());
  auto repeats = [](const Value& value) { return value.is_text() || is_list(value); };
  if (repeats(left) && right.is_whole()) return repeated(left, right.whole(), budget);
  if (left.is_whole() && repeats(right)) return repeated(right, left.whole(), budget);
  if (repeats(left)) fail("can't multiply sequence by non-int of type '", type_name(right), "'");
  if (repeats(right)) fail("can't multiply sequence by non-int of type '", type_name(left), "'");
  unsupported("*", left, right);
}

double real_remainder(double a, double b) {
  double rest = std::fmod(a, b);
  if (rest != 0 && (b < 0) != (rest < 0)) rest += b;
  return rest == 0 ? std::copysign(0.0, b) : rest;
}

Value whole_division(int64_t a, int64_t b, bool remainder) {
  check(b != 0, remainder ? "integer modulo by zero" : "integer division or modulo by zero");
  if (b == -1) return remainder ? whole(0) : whole(exact(a == INT64_MIN, a == INT64_MIN ? 0 : -a));
  int64_t quotient = a / b, rest = a % b;
  if (rest != 0 && (rest < 0) != (b < 0)) --quotient, rest += b;
  return whole(remainder ? rest : quotient);
}

Value whole_power(int64_t base, int64_t exponent) {
  int64_t value = 1;
  bool overflows = false;
  for (int64_t i = 0; i < exponent && !overflows && value != 0; ++i) {
    if (base == 1 || (base == -1 && i > 1)) return whole(base == -1 && exponent % 2 != 0 ? -1 : 1);
    overflows = __builtin_mul_overflow(value, base, &value);
  }
  return whole(exact(overflows, value));
}

Value power(const Value& left, const Value& right) {
  if (left.is_whole() && right.is_whole() && right.whole() >= 0) return whole_power(left.whole(), right.whole());
  const double base = left.real(), exponent = right.real();
  check(base != 0 || exponent >= 0, "0.0 cannot be raised to a negative power");
  check(base >= 0 || std::floor(exponent) == exponent, "a complex number is not supported");
  const double value = std::pow(base, exponent);
  check(std::isfinite(value) || !std::isfinite(base) || !std::isfinite(exponent),
        "(34, 'Numerical result out of range')");
  return real(value);
}

Value arithmetic(const std::string& operation, const Value& left, const Value& right) {
  if (!left.is_number() || !right.is_number()) unsupported(operation, left, right);
  if (operation == "**") return power(left, right);
  const bool wholes = left.is_whole() && right.is_whole();
  if (operation == "-") {
    if (!wholes) return real(left.real() - right.real());
    int64_t value = 0;
    const bool overflows = __builtin_sub_overflow(left.whole(), right.whole(), &value);
    return whole(exact(overflows, value));
  }
  if (operation == "/") {
    check(right.real() != 0, wholes ? "division by zero" : "float division by zero");
    return real(left.real() / right.real());
  }
  const bool remainder = operation == "%";
  if (wholes) return whole_division(left.whole(), right.whole(), remainder);
  check(right.real() != 0, remainder ? "float modulo" : "float floor division by zero");
  const double rest = real_remainder(left.real(), right.real());
  return real(remainder ? rest : std::round((left.real() - rest) / right.real()));
}

}  // namespace

Value combined(const std::string& operation, const Value& left, const Value& right, Budget& budget) {
  if (operation == "%" && left.is_text()) return text(format_percent(left.bytes(), right, budget));
  require_defined(left);
  require_defined(right);
  if (operation == "+") return sum(left, right, budget);
  if (operation == "*") return product(left, right, budget);
  return arithmetic(operation, left, right);
}

bool compared(const std::string& operation, const Value& left, const Value& right, Budget& budget) {
  if (operation == "==") return equal(left, right, budget);
  if (operation == "!=") return !equal(left, right, budget);
  if (operation == "in") return contains(right, left, budget);
  if (operation == "not in") return !contains(right, left, budget);
  const std::partial_ordering result = order(left, right, operation.c_str(), budget);
  if (operation == "<") return result < 0;
  if (operation == "<=") return result <= 0;
  return operation == ">" ? result > 0 : result >= 0;
}

Value signed_value(const std::string& sign, const Value& operand) {
  require_defined(operand);
  check(operand.is_number(), "bad operand type for unary ", sign, ": '", type_name(operand), "'");
  const bool negative = sign == "-";
  if (operand.is<double>()) return real(negative ? -operand.as<double>() : operand.as<double>());
  check(!negative || operand.whole() != INT64_MIN, "an integer beyond 64 bits");
  return whole(negative ? -operand.whole() : operand.whole());
}

}  // namespace longhaul::jinja
