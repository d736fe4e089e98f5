#include "text/jinja/function.h"

#include <algorithm>

namespace longhaul::jinja {

Parameters::Parameters(const Arguments& given, std::string function, std::initializer_list<const char*> names,
                       size_t required)
    : function_(std::move(function)), names_(names), values_(names.size()) {
  check(given.positional.size() <= names_.size(), function_, ": wanted at most ", names_.size(), " arguments, got ",
        given.positional.size());
  for (size_t i = 0; i < given.positional.size(); ++i) values_[i] = given.positional[i];
  for (const auto& [name, value] : given.named) {
    auto found =
        std::find_if(names_.begin(), names_.end(), [&, &key = name](const char* known) { return key == known; });
    check(found != names_.end(), function_, ": got an unexpected keyword argument '", name, "'");
    std::optional<Value>& slot = values_[static_cast<size_t>(found - names_.begin())];
    check(!slot, function_, ": got two values for '", name, "'");
    slot = value;
  }
  for (size_t i = 0; i < required; ++i) check(has(i), function_, ": missing the argument '", names_[i], "'");
}

int64_t Parameters::whole_or(size_t i, int64_t fallback) const {
  if (!has(i)) return fallback;
  check(values_[i]->is_whole(), "'", type_name(*values_[i]), "' object cannot be interpreted as an integer");
  return values_[i]->whole();
}

const std::string& Parameters::text(size_t i) const {
  require_defined(*values_[i]);
  check(values_[i]->is_text(), function_, ": ", names_[i], ": wanted a string, got '", type_name(*values_[i]), "'");
  return values_[i]->bytes();
}

}  // namespace longhaul::jinja
