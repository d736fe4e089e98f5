// Runs a syntax tree.
#pragma once
#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "text/jinja/function.h"
#include "text/jinja/syntax.h"
#include "text/jinja/template.h"

namespace longhaul::jinja {

// Variables by name; what is not found here is looked for outside. Kept alive by the macros that were defined in it.
struct Scope {
  std::map<std::string, Value, std::less<>> variables;
  std::shared_ptr<Scope> outer;
  int depth = 1;
};

class Namespace : public Object {
 public:
  explicit Namespace(Dict attributes) : attributes_(std::move(attributes)) {}
  std::string type_name() const override { return "Namespace"; }
  std::string qualified_name() const override { return "jinja2.utils.Namespace"; }
  std::string shown(Budget& budget) const override;
  std::optional<Value> attribute(const std::string& name) override;
  void set(const std::string& name, const Value& value, Budget& budget);

 private:
  Dict attributes_;
};

class Interpreter {
 public:
  explicit Interpreter(const RenderOptions& options) : options_(options), budget_(options.limits) {}
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // Errors are Errors; at() is the place that they come from.
  std::string run(const Body& body, const Dict& variables);
  Position at() const { return at_; }
  Budget& budget() { return budget_; }
  std::tm now() const;

  Value call(const Value& callee, const Arguments& arguments);
  Value attribute(const Value& object, const std::string& name);  // object.name: methods first
  Value item(const Value& object, const Value& key);              // object[key]: items first
  Value make_namespace(Dict attributes);

 private:
  enum class Flow { kNext, kBreak, kContinue };
  struct MacroObject;
  class ScopeGuard;

  // statements (interpreter.cpp)
  Flow execute(const Body& body);
  Flow run_node(const Output& node);
  Flow run_node(const Verbatim& node);
  Flow run_node(const If& node);
  Flow run_node(const For& node);
  Flow run_node(const Assignment& node);
  Flow run_node(const BlockAssignment& node);
  Flow run_node(const Macro& node);
  Flow run_node(const CallBlock& node);
  Flow run_node(const FilterBlock& node);
  Flow run_node(const With& node);
  Flow run_node(const Group& node);
  Flow run_node(const Break&) { return Flow::kBreak; }
  Flow run_node(const Continue&) { return Flow::kContinue; }
  void write(const Value& value);
  Flow capture(const Body& body, std::string& text);  // in a scope of its own
  Value apply(const FilterStep& step, const Value& input);
  Value filtered(Value value, const std::vector<FilterStep>& steps);
  void assign(const Target& target, const Value& value);
  Value lookup(const std::string& name) const;
  Value make_macro(const MacroDefinition& definition);
  Value call_macro(const MacroObject& macro, const Arguments& arguments);
  void bind(const MacroDefinition& macro, const Arguments& arguments);
  template <class T>
  T& own(std::unique_ptr<T> object);

  // expressions (evaluate.cpp)
  Value evaluate(const Expression& expression);
  Value value_of(const Constant& node) { return node.value; }
  Value value_of(const Name& node) { return lookup(node.name); }
  Value value_of(const SequenceLiteral& node);
  Value value_of(const DictLiteral& node);
  Value value_of(const Unary& node);
  Value value_of(const Binary& node);
  Value value_of(const Logical& node);
  Value value_of(const Comparison& node);
  Value value_of(const Concatenation& node);
  Value value_of(const Conditional& node);
  Value value_of(const Attribute& node) { return attribute(evaluate(*node.object), node.name); }
  Value value_of(const Item& node);
  Value value_of(const Slice& node);
  Value value_of(const Call& node);
  Value value_of(const Filtered& node);
  Value value_of(const Tested& node);
  Arguments evaluate(const CallArguments& arguments);

  const RenderOptions& options_;
  Budget budget_;
  Position at_;
  std::shared_ptr<Scope> scope_;
  std::string* out_ = nullptr;
  std::vector<std::unique_ptr<Object>> objects_;  // namespaces, loops, macros: values point to them
};

}  // namespace longhaul::jinja
