// How Python writes values: str(), repr(), json.dumps(), and its two ways of formatting.
#pragma once
#include <string>
#include <string_view>

#include "text/jinja/function.h"
#include "text/jinja/value.h"

namespace longhaul::jinja {

std::string to_text(const Value& value, Budget& budget);  // str(): a text as it is, undefined as nothing
std::string repr(const Value& value, Budget& budget);     // repr(): 'text'
std::string repr_real(double value);                      // 1.0, 1e-05, inf

struct JsonStyle {
  bool ascii = false;  // \u escapes for all that is not ASCII
  bool indented = false;
  std::string indent;                   // of one level
  std::string item = ", ", key = ": ";  // separators
  bool sorted = false;
};
// json.dumps(). Error "Object of type Undefined is not JSON serializable".
std::string to_json(const Value& value, const JsonStyle& style, Budget& budget);

// text.format(*positional, **named), with the fields' attributes and items looked up by the interpreter.
std::string format_fields(std::string_view format, const Arguments& arguments, Interpreter& interpreter);
// text % value. Both know the fields that templates use and name one that they do not.
std::string format_percent(std::string_view format, const Value& value, Budget& budget);

}  // namespace longhaul::jinja
