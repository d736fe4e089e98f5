// A Jinja2 template, as chat templates are written: rendered the way Hugging Face's sandbox does. Statements: if, for (with
// else, if, break, continue), set (also blocks and namespaces), macro, call, filter, with, generation, raw. Not there, and errors
// that say so: inheritance, includes, imports, recursive loops, `do`.
#pragma once
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "text/jinja/budget.h"
#include "text/jinja/lexer.h"

namespace longhaul::jinja {

struct RenderOptions {
  std::function<std::tm()> clock;  // what strftime_now says; empty: the machine's local time
  Limits limits;
};

// Immutable; may be rendered on many threads at once.
class Template {
 public:
  // `where` names it in errors. TemplateError with line and column for anything that is not understood.
  Template(std::string_view source, std::string where);

  // `variables` is an object. TemplateError for what the template raises, does wrong, or does not finish within the limits.
  std::string render(const Json& variables, const RenderOptions& options = {}) const;

 private:
  struct Tree;
  std::string where_;
  std::shared_ptr<const Tree> tree_;  // copies share it
};

}  // namespace longhaul::jinja
