// What `|`, `is`, a dot and the global names find: Jinja2's filters and tests, the methods of Python's str, dict, list and
// tuple that change nothing, and the functions that Hugging Face adds.
#pragma once
#include <map>
#include <optional>
#include <string>

#include "text/jinja/function.h"

namespace longhaul::jinja {

using Filter = Value (*)(Interpreter& interpreter, const Value& input, const Arguments& arguments);
using FilterTable = std::map<std::string, Filter, std::less<>>;
const FilterTable& text_filters();      // filters_text.cpp
const FilterTable& sequence_filters();  // filters_sequence.cpp

// "" when there is one, otherwise the error: "No filter named 'x'."
std::string missing_filter(const std::string& name);
std::string missing_test(const std::string& name);
Value apply_filter(Interpreter& interpreter, const std::string& name, const Value& input, const Arguments& arguments);
bool apply_test(Interpreter& interpreter, const std::string& name, const Value& input, const Arguments& arguments);

// A method bound to its value; nothing when its type has none of that name. Error that names a method of Python that is not
// supported. One that would change a list or dictionary is undefined, with the sandbox's message.
std::optional<Value> method_of(const Value& self, const std::string& name);

// range, dict, namespace, raise_exception, strftime_now; nothing for another name. Error for Jinja2's other globals.
std::optional<Value> global_function(const std::string& name);

}  // namespace longhaul::jinja
