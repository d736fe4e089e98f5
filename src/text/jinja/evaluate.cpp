// Expressions.
#include <algorithm>
#include <cmath>

#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_string.h"
#include "text/jinja/python_text.h"

namespace longhaul::jinja {

namespace {

// The items that [start:stop:step] takes of `length`: Python's slice.indices.
struct SliceRange {
  int64_t start, stop, step;
  int64_t count() const {
    if (step > 0) return stop > start ? (stop - start - 1) / step + 1 : 0;
    return start > stop ? (start - stop - 1) / -step + 1 : 0;
  }
};

SliceRange slice_range(int64_t length, std::optional<int64_t> start, std::optional<int64_t> stop, int64_t step) {
  check(step != 0, "slice step cannot be zero");
  step = std::clamp<int64_t>(step, -INT64_MAX, INT64_MAX);
  const int64_t lowest = step < 0 ? -1 : 0, highest = step < 0 ? length - 1 : length;
  auto inside = [&](int64_t index) { return std::clamp(index < 0 ? index + length : index, lowest, highest); };
  return {start      ? inside(*start)
          : step < 0 ? highest
                     : lowest,
          stop       ? inside(*stop)
          : step < 0 ? lowest
                     : highest,
          step};
}

Value slice_of_text(const Text& whole, const SliceRange& range) {
  if (range.step == 1) return text(std::string(characters(whole, range.start, std::max(range.start, range.stop))));
  std::vector<size_t> begins;  // of the characters
  for (size_t i = 0; i < whole.bytes.size(); ++i)
    if ((static_cast<unsigned char>(whole.bytes[i]) & 0xC0) != 0x80) begins.push_back(i);
  begins.push_back(whole.bytes.size());
  std::string out;
  for (int64_t i = 0; i < range.count(); ++i) {
    auto at = static_cast<size_t>(range.start + i * range.step);
    out.append(whole.bytes, begins[at], begins[at + 1] - begins[at]);
  }
  return text(std::move(out));
}

bool is_indexable(const Value& value) {
  return value.is<SequencePtr>() && value.as<SequencePtr>()->kind <= Sequence::kRange;
}

}  // namespace

Value Interpreter::evaluate(const Expression& expression) {
  Nesting nesting(budget_);
  budget_.step();
  const Position before = std::exchange(at_, expression.at);  // an error leaves it where it happened
  Value value = std::visit([&](const auto& node) { return value_of(node); }, expression.node);
  at_ = before;
  return value;
}

Arguments Interpreter::evaluate(const CallArguments& arguments) {
  Arguments values;
  for (const ExpressionPtr& argument : arguments.positional) values.positional.push_back(evaluate(*argument));
  for (const auto& [name, argument] : arguments.named) values.named.emplace_back(name, evaluate(*argument));
  if (arguments.star)
    for (Value& item : items_of(evaluate(*arguments.star), budget_)) values.positional.push_back(std::move(item));
  if (arguments.double_star) {
    const Value more = evaluate(*arguments.double_star);
    check(more.is<DictPtr>(), "argument after ** must be a mapping, not ", type_name(more));
    for (const auto& [key, value] : more.as<DictPtr>()->entries) {
      check(key.is_text(), "keywords must be strings");
      values.named.emplace_back(key.bytes(), value);
    }
  }
  return values;
}

Value Interpreter::value_of(const SequenceLiteral& node) {
  std::vector<Value> items;
  budget_.make(node.items.size(), sizeof(Value));
  for (const ExpressionPtr& item : node.items) items.push_back(evaluate(*item));
  return node.is_tuple ? tuple(std::move(items)) : list(std::move(items));
}

Value Interpreter::value_of(const DictLiteral& node) {
  Dict entries;
  for (const auto& [key, value] : node.entries) {
    const Value name = evaluate(*key);
    entries.set(name, evaluate(*value), budget_);
  }
  return dict(std::move(entries));
}

Value Interpreter::value_of(const Unary& node) {
  const Value operand = evaluate(*node.operand);
  return node.operation == "not" ? boolean(!truth(operand)) : signed_value(node.operation, operand);
}

Value Interpreter::value_of(const Binary& node) {
  const Value left = evaluate(*node.left), right = evaluate(*node.right);
  return combined(node.operation, left, right, budget_);
}

Value Interpreter::value_of(const Logical& node) {
  Value left = evaluate(*node.left);
  return truth(left) == node.is_or ? left : evaluate(*node.right);
}

Value Interpreter::value_of(const Comparison& node) {
  Value left = evaluate(*node.first);
  for (const auto& [operation, operand] : node.rest) {
    Value right = evaluate(*operand);
    if (!compared(operation, left, right, budget_)) return boolean(false);
    left = std::move(right);
  }
  return boolean(true);
}

Value Interpreter::value_of(const Concatenation& node) {
  std::string joined;
  for (const ExpressionPtr& part : node.parts) {
    const std::string shown = to_text(evaluate(*part), budget_);
    budget_.make(shown.size());
    joined += shown;
  }
  return text(std::move(joined));
}

Value Interpreter::value_of(const Conditional& node) {
  if (truth(evaluate(*node.test))) return evaluate(*node.yes);
  if (node.no) return evaluate(*node.no);
  return undefined(
      str("the inline if-expression on line ", at_.line, " evaluated to false and no else section was defined."));
}

Value Interpreter::value_of(const Item& node) {
  const Value object = evaluate(*node.object);
  return item(object, evaluate(*node.key));
}

Value Interpreter::value_of(const Slice& node) {
  const Value object = evaluate(*node.object);
  std::optional<int64_t> parts[3];
  require_defined(object);
  check(!object.is<DictPtr>(), "unhashable type: 'slice'");
  check(object.is_text() || is_indexable(object), "'", type_name(object), "' object is not subscriptable");
  const ExpressionPtr* places[3] = {&node.start, &node.stop, &node.step};
  for (int i = 0; i < 3; ++i) {
    const Value value = *places[i] ? evaluate(**places[i]) : Value();
    check(value.is_whole() || value.is<None>(), "slice indices must be integers or None or have an __index__ method");
    if (value.is_whole()) parts[i] = value.whole();
  }
  const SliceRange range = slice_range(length(object), parts[0], parts[1], parts[2].value_or(1));
  if (object.is_text()) {
    budget_.look(object.bytes().size());
    budget_.make(static_cast<size_t>(range.count()), 4);
    return slice_of_text(*object.as<TextPtr>(), range);
  }
  const Sequence& whole = *object.as<SequencePtr>();
  budget_.make(static_cast<size_t>(range.count()), sizeof(Value));
  std::vector<Value> items;
  for (int64_t i = 0; i < range.count(); ++i)
    items.push_back(whole.items[static_cast<size_t>(range.start + i * range.step)]);
  if (whole.kind != Sequence::kRange) return sequence(whole.kind, std::move(items));
  Sequence part{Sequence::kRange, std::move(items)};
  part.start = whole.start + range.start * whole.step;
  part.stop = whole.start + range.stop * whole.step;
  part.step = whole.step * range.step;
  return {std::make_shared<const Sequence>(std::move(part))};
}

Value Interpreter::value_of(const Call& node) {
  const Value callee = evaluate(*node.callee);
  return call(callee, evaluate(node.arguments));
}

// A name that is nowhere, inside an if, where it waits until it is reached: Jinja2 words it otherwise there.
static void check_found(std::string missing) {
  if (missing.ends_with("'.")) missing.replace(missing.size() - 1, 1, " found.");
  check(missing.empty(), missing);
}

Value Interpreter::apply(const FilterStep& step, const Value& input) {
  const Arguments arguments = evaluate(step.arguments);
  check_found(missing_filter(step.name));
  return apply_filter(*this, step.name, input, arguments);
}

Value Interpreter::value_of(const Filtered& node) { return apply(node.step, evaluate(*node.input)); }

Value Interpreter::value_of(const Tested& node) {
  const Value input = evaluate(*node.input);
  const Arguments arguments = evaluate(node.arguments);
  check_found(missing_test(node.name));
  return boolean(apply_test(*this, node.name, input, arguments));
}

Value Interpreter::attribute(const Value& object, const std::string& name) {
  require_defined(object);
  if (name.starts_with("__"))
    return undefined(str("access to attribute '", name, "' of '", type_name(object), "' object is unsafe."));
  std::optional<Value> found = object.is<Object*>() ? object.as<Object*>()->attribute(name) : method_of(object, name);
  if (found) return *found;
  if (object.is<DictPtr>()) {
    budget_.look(object.as<DictPtr>()->entries.size() * kEntryLooks);
    if (const Value* value = object.as<DictPtr>()->find(name)) return *value;
  }
  return undefined_in(object, text(name), budget_);
}

Value Interpreter::item(const Value& object, const Value& key) {
  require_defined(object);
  if (object.is<DictPtr>()) {
    const bool hashable =
        !key.is<DictPtr>() && !(key.is<SequencePtr>() && key.as<SequencePtr>()->kind == Sequence::kList);
    if (const Value* found = hashable ? object.as<DictPtr>()->find(key, budget_) : nullptr) return *found;
  }
  if (key.is_whole() && (object.is_text() || is_indexable(object))) {
    const int64_t size = length(object), index = key.whole() < 0 ? key.whole() + size : key.whole();
    const bool inside = index >= 0 && index < size;
    if (inside && !object.is_text()) return object.as<SequencePtr>()->items[static_cast<size_t>(index)];
    if (inside) {
      budget_.look(object.bytes().size());
      return text(std::string(characters(*object.as<TextPtr>(), index, index + 1)));
    }
  }
  if (key.is_text()) return attribute(object, key.bytes());
  return undefined_in(object, key, budget_);
}

}  // namespace longhaul::jinja
