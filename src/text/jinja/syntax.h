// The syntax tree of a template: its statements.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "text/jinja/expression.h"

namespace longhaul::jinja {

struct Statement;
using Body = std::vector<Statement>;

struct Target {  // of an assignment: a name, an attribute of a namespace, or several in parentheses
  std::string name, attribute;
  std::vector<Target> several;
  bool is_tuple = false;
  Position at;
};
struct Output {
  ExpressionPtr value;
};
struct Verbatim {
  Value text;
};
struct If {
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  Body otherwise;
};
struct For {
  Target target;
  ExpressionPtr items, test;  // test: may be null
  Body body, otherwise;
};
struct Assignment {
  Target target;
  ExpressionPtr value;
};
struct BlockAssignment {  // {% set x | filter %}...{% endset %}
  Target target;
  std::vector<FilterStep> filters;
  Body body;
};
struct MacroDefinition {
  std::string name;                                               // "caller" for the block of a call
  std::vector<std::pair<std::string, ExpressionPtr>> parameters;  // with defaults, or null
  Body body;
  bool uses_caller = false, uses_named = false, uses_positional = false;  // the names caller, kwargs, varargs
};
struct Macro {
  std::unique_ptr<MacroDefinition> definition;
};
struct CallBlock {
  ExpressionPtr call;
  std::unique_ptr<MacroDefinition> caller;
};
struct FilterBlock {
  std::vector<FilterStep> filters;
  Body body;
};
struct With {
  std::vector<std::pair<Target, ExpressionPtr>> assignments;
  Body body;
};
struct Group {  // a body in a scope of its own: {% generation %}
  Body body;
};
struct Break {};
struct Continue {};

struct Statement {
  std::variant<Output, Verbatim, If, For, Assignment, BlockAssignment, Macro, CallBlock, FilterBlock, With, Group,
               Break, Continue>
      node;
  Position at;
};

}  // namespace longhaul::jinja
