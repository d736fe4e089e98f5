// Statements. Expressions are in parse_expression.cpp.
#include "text/jinja/parser.h"

#include <algorithm>

namespace longhaul::jinja {

namespace {

constexpr const char* kKindNames[] = {"template data / text",
                                      "begin of print statement",
                                      "end of print statement",
                                      "begin of statement block",
                                      "end of statement block",
                                      "name",
                                      "string",
                                      "integer",
                                      "float",
                                      "operator",
                                      "end of template"};

std::string quoted_list(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "'" : " or '") + name + "'";
  return out;
}

}  // namespace

Body parse_template(std::string_view source, const std::string& where) {
  return Parser(tokenize(source, where), where).parse();
}

bool Parser::is_any_name(Names names) const {
  return is(Token::kName) && std::find(names.begin(), names.end(), current().text) != names.end();
}

bool Parser::skip_operator(std::string_view text) {
  if (!is_operator(text)) return false;
  take();
  return true;
}

bool Parser::skip_name(std::string_view text) {
  if (!is_name(text)) return false;
  take();
  return true;
}

std::string Parser::described(const Token& token) {
  return token.kind == Token::kName || token.kind == Token::kOperator ? token.text : kKindNames[token.kind];
}

Token Parser::expect(Token::Kind kind) {
  if (is(Token::kEnd) && kind != Token::kEnd)
    error(str("unexpected end of template, expected '", kKindNames[kind], "'."));
  if (!is(kind)) error(str("expected token '", kKindNames[kind], "', got '", described(current()), "'"));
  return take();
}

void Parser::expect_operator(std::string_view text) {
  if (is(Token::kEnd)) error(str("unexpected end of template, expected '", text, "'."));
  if (!is_operator(text)) error(str("expected token '", text, "', got '", described(current()), "'"));
  take();
}

void Parser::expect_name(std::string_view text) {
  if (!is_name(text)) error(str("expected token '", text, "', got '", described(current()), "'"));
  take();
}

Body Parser::parse() { return parse_until({}); }

Body Parser::parse_until(Names ends) {
  Deeper deeper(*this);
  wanted_ends_.emplace_back(ends.begin(), ends.end());
  Body body;
  while (!is(Token::kEnd)) {
    const Token token = take();
    if (token.kind == Token::kData) {
      body.push_back({Verbatim{text(token.text)}, token.at});
    } else if (token.kind == Token::kVariableBegin) {
      body.push_back({Output{parse_tuple(true, false)}, token.at});
      expect(Token::kVariableEnd);
    } else {
      if (is_any_name(ends)) {
        wanted_ends_.pop_back();
        return body;
      }
      body.push_back(parse_statement());
      expect(Token::kBlockEnd);
    }
  }
  if (ends.size() > 0) unfinished();
  wanted_ends_.pop_back();
  return body;
}

Body Parser::parse_body(Names ends) {
  skip_operator(":");  // Jinja2 allows Python's colon
  expect(Token::kBlockEnd);
  return parse_until(ends);
}

void Parser::unfinished() const {
  error(str("Unexpected end of template. Jinja was looking for the following tags: ", quoted_list(wanted_ends_.back()),
            ". The innermost block that needs to be closed is '", open_tags_.back(), "'."));
}

void Parser::unknown_tag(const Token& tag) const {
  for (const char* known : {"block", "extends", "include", "import", "from", "autoescape", "print"})
    if (tag.text == known) error(str("tag '", tag.text, "' is not supported"), tag.at);
  std::string wanted;
  bool is_end = std::any_of(wanted_ends_.begin(), wanted_ends_.end(), [&](const auto& ends) {
    return std::find(ends.begin(), ends.end(), tag.text) != ends.end();
  });
  std::string reason = str("Encountered unknown tag '", tag.text, "'.");
  if (!wanted_ends_.back().empty()) {
    wanted = quoted_list(wanted_ends_.back());
    reason += is_end
                  ? str(" You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for ",
                        wanted, ".")
                  : str(" Jinja was looking for the following tags: ", wanted, ".");
  }
  if (!open_tags_.empty()) reason += str(" The innermost block that needs to be closed is '", open_tags_.back(), "'.");
  error(reason, tag.at);
}

Statement Parser::parse_statement() {
  if (!is(Token::kName)) error("tag name expected");
  const Token tag = take();
  using Parse = Statement (Parser::*)();
  constexpr std::pair<const char*, Parse> known[] = {
      {"if", &Parser::parse_if},
      {"for", &Parser::parse_for},
      {"set", &Parser::parse_set},
      {"macro", &Parser::parse_macro},
      {"call", &Parser::parse_call_block},
      {"filter", &Parser::parse_filter_block},
      {"with", &Parser::parse_with},
      {"break", &Parser::parse_loop_control},
      {"continue", &Parser::parse_loop_control},
  };
  open_tags_.push_back(tag.text);
  Statement statement{Break{}, tag.at};
  auto found =
      std::find_if(std::begin(known), std::end(known), [&](const auto& entry) { return tag.text == entry.first; });
  if (found != std::end(known)) {
    statement = (this->*found->second)();
  } else if (tag.text == "generation") {  // marks what a model is trained on; a rendering shows it like any text
    statement.node = Group{parse_body({"endgeneration"})};
    take();
  } else {
    open_tags_.pop_back();
    unknown_tag(tag);
  }
  open_tags_.pop_back();
  statement.at = tag.at;
  return statement;
}

Statement Parser::parse_if() {
  ++conditions_;
  If node;
  for (;;) {
    ExpressionPtr test = parse_tuple(false, false);
    Body body = parse_body({"elif", "else", "endif"});
    node.branches.emplace_back(std::move(test), std::move(body));
    const std::string end = take().text;
    if (end == "elif") continue;
    if (end == "else") {
      node.otherwise = parse_body({"endif"});
      take();
    }
    break;
  }
  --conditions_;
  return {std::move(node), {}};
}

Statement Parser::parse_for() {
  For node;
  node.target = parse_target(false, true);
  expect_name("in");
  node.items = parse_tuple(false, false, true);
  if (skip_name("if")) node.test = parse_expression();
  if (is_name("recursive")) error("recursive loops are not supported");
  ++loops_;
  node.body = parse_body({"endfor", "else"});
  --loops_;
  if (take().text == "else") {
    node.otherwise = parse_body({"endfor"});
    take();
  }
  return {std::move(node), {}};
}

Statement Parser::parse_loop_control() {
  const std::string tag = open_tags_.back();
  if (loops_ == 0) error(str("'", tag, "' outside loop"));
  if (tag == "break") return {Break{}, {}};
  return {Continue{}, {}};
}

Statement Parser::parse_set() {
  Target target = parse_target(true, false);
  if (skip_operator("=")) {
    ExpressionPtr value = parse_tuple(true, false);
    return {Assignment{std::move(target), std::move(value)}, {}};
  }
  BlockAssignment node{std::move(target), parse_filter_steps(false), {}};
  node.body = parse_body({"endset"});
  take();
  return {std::move(node), {}};
}

void Parser::parse_signature(MacroDefinition& macro) {
  expect_operator("(");
  while (!is_operator(")")) {
    if (!macro.parameters.empty()) expect_operator(",");
    const Token name = expect(Token::kName);
    ExpressionPtr fallback;
    if (skip_operator("="))
      fallback = parse_expression();
    else if (!macro.parameters.empty() && macro.parameters.back().second)
      error("non-default argument follows default argument");
    macro.parameters.emplace_back(name.text, std::move(fallback));
  }
  take();
}

// The names caller, kwargs and varargs mean something in a macro that uses them.
void Parser::parse_macro_body(MacroDefinition& macro, const char* end) {
  MacroDefinition outer = std::exchange(names_seen_, MacroDefinition());
  const int loops = std::exchange(loops_, 0);
  macro.body = parse_body({end});
  take();
  loops_ = loops;
  macro.uses_caller = names_seen_.uses_caller;
  macro.uses_named = names_seen_.uses_named;
  macro.uses_positional = names_seen_.uses_positional;
  names_seen_ = std::move(outer);
}

Statement Parser::parse_macro() {
  auto macro = std::make_unique<MacroDefinition>();
  macro->name = expect(Token::kName).text;
  parse_signature(*macro);
  parse_macro_body(*macro, "endmacro");
  return {Macro{std::move(macro)}, {}};
}

Statement Parser::parse_call_block() {
  auto caller = std::make_unique<MacroDefinition>();
  caller->name = "caller";
  if (is_operator("(")) parse_signature(*caller);
  ExpressionPtr call = parse_expression();
  if (!std::holds_alternative<Call>(call->node)) error("expected call", call->at);
  parse_macro_body(*caller, "endcall");
  return {CallBlock{std::move(call), std::move(caller)}, {}};
}

Statement Parser::parse_filter_block() {
  FilterBlock node{parse_filter_steps(true), {}};
  node.body = parse_body({"endfilter"});
  take();
  return {std::move(node), {}};
}

Statement Parser::parse_with() {
  With node;
  while (!is(Token::kBlockEnd)) {
    if (!node.assignments.empty()) expect_operator(",");
    Target target = parse_target(false, false);
    expect_operator("=");
    node.assignments.emplace_back(std::move(target), parse_expression());
  }
  node.body = parse_body({"endwith"});
  take();
  return {std::move(node), {}};
}

std::vector<FilterStep> Parser::parse_filter_steps(bool first_is_inline) {
  std::vector<FilterStep> steps;
  if (first_is_inline) steps.push_back(parse_filter_step());
  while (skip_operator("|")) steps.push_back(parse_filter_step());
  return steps;
}

Target Parser::parse_simple_target(bool with_namespace) {
  Deeper deeper(*this);
  Target target;
  target.at = current().at;
  if (is(Token::kBlockEnd)) error(str("Expected an expression, got '", described(current()), "'"));
  if (is(Token::kString) || is(Token::kInteger) || is(Token::kReal)) error("can't assign to 'const'");
  if (skip_operator("(")) {
    target = parse_target(with_namespace, false);
    expect_operator(")");
    return target;
  }
  target.name = expect(Token::kName).text;
  for (const char* constant : {"true", "false", "True", "False", "none", "None"})
    if (target.name == constant) error("can't assign to 'const'", target.at);
  if (with_namespace && skip_operator(".")) target.attribute = expect(Token::kName).text;
  if (target.name == "loop" && target.attribute.empty() && loops_ > 0)
    error("Can't assign to special loop variable in for-loop target", target.at);
  return target;
}

// a | a, b | (a, b), c
Target Parser::parse_target(bool with_namespace, bool until_in) {
  Target first = parse_simple_target(with_namespace);
  if (!is_operator(",")) return first;
  Target tuple;
  tuple.is_tuple = true;
  tuple.at = first.at;
  tuple.several.push_back(std::move(first));
  while (skip_operator(",")) {
    bool at_end = is(Token::kBlockEnd) || is_operator(")") || is_operator("=") || (until_in && is_name("in"));
    if (at_end) break;
    tuple.several.push_back(parse_simple_target(with_namespace));
  }
  return tuple;
}

}  // namespace longhaul::jinja
