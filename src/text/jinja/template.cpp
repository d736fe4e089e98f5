#include "text/jinja/template.h"

#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace longhaul::jinja {

struct Template::Tree {
  Body body;
};

Template::Template(std::string_view source, std::string where)
    : where_(std::move(where)), tree_(std::make_shared<const Tree>(Tree{parse_template(source, where_)})) {}

std::string Template::render(const Json& variables, const RenderOptions& options) const {
  check(variables.is_object(), where_, ": wanted an object of variables");
  Value values;
  try {
    values = from_json(variables);
  } catch (const Error& error) {
    fail(where_, ": the variables: ", error.what());
  }
  Interpreter interpreter(options);
  try {
    return interpreter.run(tree_->body, *values.as<DictPtr>());
  } catch (const Error& error) {
    throw TemplateError(where_, interpreter.at(), error.what());
  }
}

}  // namespace longhaul::jinja
