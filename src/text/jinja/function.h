// Calls: arguments as they are given, functions of the sandbox, and how the one meets the other.
#pragma once
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace longhaul::jinja {

class Interpreter;

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// A function, or a method bound to its value.
struct Function {
  using Body = Value (*)(Interpreter& interpreter, const Value& self, const Arguments& arguments);
  std::string name;
  Value self;
  Body body;
};

// Arguments by the names of a signature. Errors name the function: too many, unknown, twice, missing, of another type.
class Parameters {
 public:
  Parameters(const Arguments& given, std::string function, std::initializer_list<const char*> names,
             size_t required = 0);
  bool has(size_t i) const { return values_[i].has_value(); }
  bool has_value(size_t i) const { return has(i) && !values_[i]->is<None>(); }  // given, and not None
  const Value& operator[](size_t i) const { return *values_[i]; }
  Value value_or(size_t i, const Value& fallback) const { return has(i) ? *values_[i] : fallback; }
  bool truth_or(size_t i, bool fallback) const { return has(i) ? truth(*values_[i]) : fallback; }
  int64_t whole_or(size_t i, int64_t fallback) const;
  const std::string& text(size_t i) const;
  std::string text_or(size_t i, const std::string& fallback) const { return has_value(i) ? text(i) : fallback; }

 private:
  std::string function_;
  std::vector<const char*> names_;
  std::vector<std::optional<Value>> values_;
};

}  // namespace longhaul::jinja
