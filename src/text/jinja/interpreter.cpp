// Statements, scopes and macros. Expressions are in evaluate.cpp.
#include "text/jinja/interpreter.h"

#include <algorithm>

#include "text/jinja/filters.h"
#include "text/jinja/loop.h"
#include "text/jinja/python_text.h"

namespace longhaul::jinja {

namespace {

constexpr int kDeepestScope = 1000;

// Takes the argument of a name out of those given by name.
std::optional<Value> take(std::vector<std::pair<std::string, Value>>& named, std::string_view name) {
  auto found = std::find_if(named.begin(), named.end(), [&](const auto& entry) { return entry.first == name; });
  if (found == named.end()) return std::nullopt;
  Value value = found->second;
  named.erase(found);
  return value;
}

}  // namespace

std::string Namespace::shown(Budget& budget) const { return "<Namespace " + repr(dict(attributes_), budget) + ">"; }

std::optional<Value> Namespace::attribute(const std::string& name) {
  const Value* found = attributes_.find(name);
  return found ? std::optional(*found) : std::nullopt;
}

void Namespace::set(const std::string& name, const Value& value, Budget& budget) {
  attributes_.set(text(name), value, budget);
}

struct Interpreter::MacroObject : Object {
  MacroObject(const MacroDefinition& definition, std::shared_ptr<Scope> scope)
      : definition(definition), scope(std::move(scope)) {}
  std::string type_name() const override { return "Macro"; }
  std::string qualified_name() const override { return "jinja2.runtime.Macro"; }
  std::string shown(Budget& budget) const override { return "<Macro " + repr(text(definition.name), budget) + ">"; }
  std::optional<Value> attribute(const std::string& name) override {
    if (name == "name") return text(definition.name);
    if (name != "arguments") return std::nullopt;
    std::vector<Value> names;
    for (const auto& [parameter, fallback] : definition.parameters) names.push_back(text(parameter));
    return tuple(std::move(names));
  }
  const MacroDefinition& definition;
  std::shared_ptr<Scope> scope;  // where it was defined
};

// A new scope inside `outer` while it lives.
class Interpreter::ScopeGuard {
 public:
  ScopeGuard(Interpreter& interpreter, const std::shared_ptr<Scope>& outer) : interpreter_(interpreter) {
    check(outer->depth < kDeepestScope, "stopped: scopes nested deeper than ", kDeepestScope);
    before_ = std::exchange(interpreter_.scope_, std::make_shared<Scope>(Scope{{}, outer, outer->depth + 1}));
  }
  ~ScopeGuard() { interpreter_.scope_ = std::move(before_); }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  Interpreter& interpreter_;
  std::shared_ptr<Scope> before_;
};

std::string Interpreter::run(const Body& body, const Dict& variables) {
  scope_ = std::make_shared<Scope>();
  for (const auto& [name, value] : variables.entries) scope_->variables[name.bytes()] = value;
  std::string text;
  out_ = &text;
  execute(body);
  return text;
}

std::tm Interpreter::now() const {
  if (options_.clock) return options_.clock();
  std::time_t seconds = std::time(nullptr);
  std::tm local{};
  localtime_r(&seconds, &local);
  return local;
}

template <class T>
T& Interpreter::own(std::unique_ptr<T> object) {
  budget_.make(256);  // about what one is, with what it is kept in
  T& reference = *object;
  objects_.push_back(std::move(object));
  return reference;
}

Value Interpreter::make_namespace(Dict attributes) {
  return {static_cast<Object*>(&own(std::make_unique<Namespace>(std::move(attributes))))};
}

Value Interpreter::make_macro(const MacroDefinition& definition) {
  return {static_cast<Object*>(&own(std::make_unique<MacroObject>(definition, scope_)))};
}

Value Interpreter::lookup(const std::string& name) const {
  for (const Scope* scope = scope_.get(); scope; scope = scope->outer.get())
    if (auto found = scope->variables.find(name); found != scope->variables.end()) return found->second;
  if (std::optional<Value> function = global_function(name)) return *function;
  return undefined("'" + name + "' is undefined");
}

Interpreter::Flow Interpreter::execute(const Body& body) {
  Nesting nesting(budget_);
  for (const Statement& statement : body) {
    budget_.step();
    at_ = statement.at;
    const Flow flow = std::visit([&](const auto& node) { return run_node(node); }, statement.node);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

void Interpreter::write(const Value& value) {
  const std::string shown = value.is_text() ? std::string() : to_text(value, budget_);
  const std::string& bytes = value.is_text() ? value.bytes() : shown;
  budget_.make(bytes.size());
  *out_ += bytes;
}

Interpreter::Flow Interpreter::capture(const Body& body, std::string& text) {
  ScopeGuard inside(*this, scope_);
  std::string* before = std::exchange(out_, &text);
  const Flow flow = execute(body);
  out_ = before;
  return flow;
}

Value Interpreter::filtered(Value value, const std::vector<FilterStep>& steps) {
  for (const FilterStep& step : steps) {
    at_ = step.at;
    value = apply(step, value);
  }
  return value;
}

Interpreter::Flow Interpreter::run_node(const Output& node) {
  write(evaluate(*node.value));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_node(const Verbatim& node) {
  write(node.text);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_node(const If& node) {
  for (const auto& [test, body] : node.branches)
    if (truth(evaluate(*test))) return execute(body);
  return execute(node.otherwise);
}

Interpreter::Flow Interpreter::run_node(const For& node) {
  const Value items = evaluate(*node.items);
  const std::shared_ptr<Scope> outer = scope_;
  auto source = [this, &node, outer, cursor = Cursor(items)]() mutable -> std::optional<Value> {
    while (std::optional<Value> item = cursor.next()) {
      budget_.step();
      if (!node.test) return item;
      ScopeGuard inside(*this, outer);
      assign(node.target, *item);
      if (truth(evaluate(*node.test))) return item;
    }
    return std::nullopt;
  };
  const bool sized = !node.test && !(items.is<SequencePtr>() && items.as<SequencePtr>()->kind == Sequence::kGenerator);
  Loop& loop = own(std::make_unique<Loop>(source, sized ? std::optional(length(items)) : std::nullopt, budget_));
  bool finished = false;  // some round ran to its end: Jinja2's `else` does not count those that `continue` ends
  while (loop.advance()) {
    ScopeGuard inside(*this, outer);
    assign(node.target, loop.current());
    scope_->variables["loop"] = {static_cast<Object*>(&loop)};
    const Flow flow = execute(node.body);
    if (flow == Flow::kBreak) break;
    finished |= flow == Flow::kNext;
  }
  if (finished || node.otherwise.empty()) return Flow::kNext;
  ScopeGuard inside(*this, outer);
  return execute(node.otherwise);
}

Interpreter::Flow Interpreter::run_node(const Assignment& node) {
  assign(node.target, evaluate(*node.value));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_node(const BlockAssignment& node) {
  std::string captured;
  const Flow flow = capture(node.body, captured);
  if (flow == Flow::kNext) assign(node.target, filtered(text(std::move(captured)), node.filters));
  return flow;
}

Interpreter::Flow Interpreter::run_node(const Macro& node) {
  scope_->variables[node.definition->name] = make_macro(*node.definition);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_node(const CallBlock& node) {
  const Call& callee = std::get<Call>(node.call->node);
  at_ = node.call->at;
  const Value function = evaluate(*callee.callee);
  Arguments arguments = evaluate(callee.arguments);
  arguments.named.emplace_back("caller", make_macro(*node.caller));
  write(call(function, arguments));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_node(const FilterBlock& node) {
  std::string captured;
  const Flow flow = capture(node.body, captured);
  if (flow == Flow::kNext) write(filtered(text(std::move(captured)), node.filters));
  return flow;
}

Interpreter::Flow Interpreter::run_node(const With& node) {
  std::vector<Value> values;
  for (const auto& [target, value] : node.assignments) values.push_back(evaluate(*value));
  ScopeGuard inside(*this, scope_);
  for (size_t i = 0; i < values.size(); ++i) assign(node.assignments[i].first, values[i]);
  return execute(node.body);
}

Interpreter::Flow Interpreter::run_node(const Group& node) {
  ScopeGuard inside(*this, scope_);
  return execute(node.body);
}

void Interpreter::assign(const Target& target, const Value& value) {
  if (target.is_tuple) {
    check(is_iterable(value), "cannot unpack non-iterable ", type_name(value), " object");
    const std::vector<Value> parts = items_of(value, budget_);
    const size_t wanted = target.several.size();
    check(parts.size() <= wanted, "too many values to unpack (expected ", wanted, ")");
    check(parts.size() == wanted, "not enough values to unpack (expected ", wanted, ", got ", parts.size(), ")");
    for (size_t i = 0; i < wanted; ++i) assign(target.several[i], parts[i]);
    return;
  }
  if (target.attribute.empty()) {
    scope_->variables[target.name] = value;
    return;
  }
  const Value owner = lookup(target.name);
  auto* space = owner.is<Object*>() ? dynamic_cast<Namespace*>(owner.as<Object*>()) : nullptr;
  check(space != nullptr, "cannot assign attribute on non-namespace object");
  space->set(target.attribute, value, budget_);
}

Value Interpreter::call(const Value& callee, const Arguments& arguments) {
  require_defined(callee);
  if (callee.is<FunctionPtr>()) {
    const Function& function = *callee.as<FunctionPtr>();
    if (function.self.is_text()) budget_.look(function.self.bytes().size());
    for (const Value& argument : arguments.positional)
      if (argument.is_text()) budget_.look(argument.bytes().size());
    return function.body(*this, function.self, arguments);
  }
  if (callee.is<Object*>()) {
    if (auto* macro = dynamic_cast<MacroObject*>(callee.as<Object*>())) return call_macro(*macro, arguments);
    check(dynamic_cast<Loop*>(callee.as<Object*>()) == nullptr, "recursive loops are not supported");
  }
  fail("'", type_name(callee), "' object is not callable");
}

Value Interpreter::call_macro(const MacroObject& macro, const Arguments& arguments) {
  ScopeGuard inside(*this, macro.scope);
  bind(macro.definition, arguments);
  std::string written;
  std::string* before = std::exchange(out_, &written);
  execute(macro.definition.body);
  out_ = before;
  return text(std::move(written));
}

// Gives the parameters of a macro their values, in its scope. The order and the errors are Jinja2's.
void Interpreter::bind(const MacroDefinition& macro, const Arguments& arguments) {
  std::vector<std::pair<std::string, Value>> named = arguments.named;
  const size_t count = macro.parameters.size(), given = arguments.positional.size();
  std::vector<std::optional<Value>> values(count);
  bool has_caller = false;
  for (size_t i = 0; i < count; ++i) {
    const std::string& name = macro.parameters[i].first;
    values[i] = i < given ? arguments.positional[i] : take(named, name);
    has_caller |= name == "caller";
  }
  auto& variables = scope_->variables;
  if (macro.uses_caller && !has_caller)
    variables["caller"] = take(named, "caller").value_or(undefined("No caller defined"));
  if (macro.uses_named) {
    Dict rest;
    for (const auto& [name, value] : named) rest.set(text(name), value, budget_);
    variables["kwargs"] = dict(std::move(rest));
  } else if (!named.empty()) {
    const bool twice =
        std::any_of(named.begin(), named.end(), [](const auto& entry) { return entry.first == "caller"; });
    check(!twice, "macro '", macro.name,
          "' was invoked with two values for the special caller argument. This is most likely a bug.");
    fail("macro '", macro.name, "' takes no keyword argument '", named.front().first, "'");
  }
  if (macro.uses_positional) {
    auto from = arguments.positional.begin() + static_cast<std::ptrdiff_t>(std::min(count, given));
    variables["varargs"] = tuple(std::vector<Value>(from, arguments.positional.end()));
  } else {
    check(given <= count, "macro '", macro.name, "' takes not more than ", count, " argument(s)");
  }
  for (size_t i = 0; i < count; ++i) {
    const auto& [name, fallback] = macro.parameters[i];
    if (!values[i]) values[i] = fallback ? evaluate(*fallback) : undefined("parameter '" + name + "' was not provided");
    variables[name] = *values[i];
  }
}

}  // namespace longhaul::jinja
