// Python's operators. Errors are Python's: "unsupported operand type(s) for +: 'NoneType' and 'str'".
#pragma once
#include <string>

#include "text/jinja/value.h"

namespace longhaul::jinja {

Value combined(const std::string& operation, const Value& left, const Value& right, Budget& budget);  // + - * / // % **
bool compared(const std::string& operation, const Value& left, const Value& right, Budget& budget);   // == < in ...
Value signed_value(const std::string& sign, const Value& operand);                                    // -x, +x

}  // namespace longhaul::jinja
