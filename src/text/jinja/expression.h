// The syntax tree of a template: its expressions. Statements are in syntax.h.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "text/jinja/lexer.h"
#include "text/jinja/value.h"

namespace longhaul::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr star, double_star;  // f(*star, **double_star), or null
};

struct Constant {
  Value value;
};
struct Name {
  std::string name;
};
struct SequenceLiteral {  // [a, b] or (a, b)
  bool is_tuple;
  std::vector<ExpressionPtr> items;
};
struct DictLiteral {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};
struct Unary {  // "-", "+", "not"
  std::string operation;
  ExpressionPtr operand;
};
struct Binary {  // + - * / // % **
  std::string operation;
  ExpressionPtr left, right;
};
struct Logical {
  bool is_or;
  ExpressionPtr left, right;
};
struct Comparison {  // a < b <= c; also "in" and "not in"
  ExpressionPtr first;
  std::vector<std::pair<std::string, ExpressionPtr>> rest;
};
struct Concatenation {  // a ~ b
  std::vector<ExpressionPtr> parts;
};
struct Conditional {            // yes if test else no
  ExpressionPtr test, yes, no;  // no: may be null
};
struct Attribute {
  ExpressionPtr object;
  std::string name;
};
struct Item {
  ExpressionPtr object, key;
};
struct Slice {
  ExpressionPtr object, start, stop, step;  // the last three may be null
};
struct Call {
  ExpressionPtr callee;
  CallArguments arguments;
};
struct FilterStep {
  std::string name;
  CallArguments arguments;
  Position at;
};
struct Filtered {
  ExpressionPtr input;
  FilterStep step;
};
struct Tested {
  ExpressionPtr input;
  std::string name;
  CallArguments arguments;
};

struct Expression {
  std::variant<Constant, Name, SequenceLiteral, DictLiteral, Unary, Binary, Logical, Comparison, Concatenation,
               Conditional, Attribute, Item, Slice, Call, Filtered, Tested>
      node;
  Position at;
  int depth = 1;  // of expressions in each other: bounded, so that walking them is
};

}  // namespace longhaul::jinja
