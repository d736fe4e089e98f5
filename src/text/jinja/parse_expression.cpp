#include <algorithm>
#include <charconv>

#include "text/jinja/filters.h"
#include "text/jinja/parser.h"

namespace longhaul::jinja {

namespace {

int depth_of(const ExpressionPtr& part) { return part ? part->depth : 0; }

int depth_of(const CallArguments& arguments) {
  int depth = std::max(depth_of(arguments.star), depth_of(arguments.double_star));
  for (const ExpressionPtr& argument : arguments.positional) depth = std::max(depth, argument->depth);
  for (const auto& [name, argument] : arguments.named) depth = std::max(depth, argument->depth);
  return depth;
}

}  // namespace

template <class Node>
ExpressionPtr Parser::make(Position at, Node node, int depth_of_parts) {
  if (depth_of_parts >= kDeepestExpression)
    error(str("an expression of more than ", kDeepestExpression, " operations on each other"), at);
  return std::make_unique<Expression>(Expression{std::move(node), at, depth_of_parts + 1});
}

void Parser::check_known(const std::string& missing, Position at) const {
  if (!missing.empty() && conditions_ == 0) error(missing, at);
}

ExpressionPtr Parser::parse_expression() {
  Deeper deeper(*this);
  return parse_conditional();
}

ExpressionPtr Parser::parse_conditional() {
  Deeper deeper(*this);
  const Position at = current().at;
  ExpressionPtr value = parse_or();
  while (skip_name("if")) {
    ExpressionPtr test = parse_or(), otherwise;
    if (skip_name("else")) otherwise = parse_conditional();
    int depth = std::max({value->depth, test->depth, depth_of(otherwise)});
    value = make(at, Conditional{std::move(test), std::move(value), std::move(otherwise)}, depth);
  }
  return value;
}

ExpressionPtr Parser::parse_or() {
  ExpressionPtr left = parse_and();
  while (is_name("or")) {
    const Position at = take().at;
    ExpressionPtr right = parse_and();
    int depth = std::max(left->depth, right->depth);
    left = make(at, Logical{true, std::move(left), std::move(right)}, depth);
  }
  return left;
}

ExpressionPtr Parser::parse_and() {
  ExpressionPtr left = parse_not();
  while (is_name("and")) {
    const Position at = take().at;
    ExpressionPtr right = parse_not();
    int depth = std::max(left->depth, right->depth);
    left = make(at, Logical{false, std::move(left), std::move(right)}, depth);
  }
  return left;
}

ExpressionPtr Parser::parse_not() {
  if (!is_name("not")) return parse_comparison();
  Deeper deeper(*this);
  const Position at = take().at;
  ExpressionPtr operand = parse_not();
  int depth = operand->depth;
  return make(at, Unary{"not", std::move(operand)}, depth);
}

ExpressionPtr Parser::parse_comparison() {
  const Position at = current().at;
  ExpressionPtr first = parse_sum();
  Comparison node;
  int depth = first->depth;
  for (;;) {
    std::string operation;
    if (is(Token::kOperator) && (is_operator("==") || is_operator("!=") || is_operator("<") || is_operator("<=") ||
                                 is_operator(">") || is_operator(">="))) {
      operation = take().text;
    } else if (skip_name("in")) {
      operation = "in";
    } else if (is_name("not") && ahead().kind == Token::kName && ahead().text == "in") {
      take(), take();
      operation = "not in";
    } else {
      break;
    }
    node.rest.emplace_back(operation, parse_sum());
    depth = std::max(depth, node.rest.back().second->depth);
  }
  if (node.rest.empty()) return first;
  node.first = std::move(first);
  return make(at, std::move(node), depth);
}

ExpressionPtr Parser::left_to_right(Names operations, ExpressionPtr (Parser::*operand)()) {
  ExpressionPtr left = (this->*operand)();
  for (;;) {
    auto found =
        std::find_if(operations.begin(), operations.end(), [&](const char* name) { return is_operator(name); });
    if (found == operations.end()) return left;
    const Position at = take().at;
    ExpressionPtr right = (this->*operand)();
    int depth = std::max(left->depth, right->depth);
    left = make(at, Binary{*found, std::move(left), std::move(right)}, depth);
  }
}

ExpressionPtr Parser::parse_sum() { return left_to_right({"+", "-"}, &Parser::parse_concatenation); }

ExpressionPtr Parser::parse_concatenation() {
  const Position at = current().at;
  Concatenation node;
  node.parts.push_back(parse_product());
  int depth = node.parts.back()->depth;
  while (skip_operator("~")) {
    node.parts.push_back(parse_product());
    depth = std::max(depth, node.parts.back()->depth);
  }
  if (node.parts.size() == 1) return std::move(node.parts.front());
  return make(at, std::move(node), depth);
}

ExpressionPtr Parser::parse_product() { return left_to_right({"*", "//", "/", "%"}, &Parser::parse_power); }

ExpressionPtr Parser::parse_power() {
  ExpressionPtr left = parse_unary(true);
  while (is_operator("**")) {
    const Position at = take().at;
    ExpressionPtr right = parse_unary(true);
    int depth = std::max(left->depth, right->depth);
    left = make(at, Binary{"**", std::move(left), std::move(right)}, depth);
  }
  return left;
}

ExpressionPtr Parser::parse_unary(bool with_filters) {
  Deeper deeper(*this);
  const Position at = current().at;
  ExpressionPtr value;
  if (is_operator("-") || is_operator("+")) {
    std::string operation = take().text;
    ExpressionPtr operand = parse_unary(false);
    int depth = operand->depth;
    value = make(at, Unary{std::move(operation), std::move(operand)}, depth);
  } else {
    value = parse_primary();
  }
  value = parse_postfix(std::move(value));
  return with_filters ? parse_filters(std::move(value)) : std::move(value);
}

ExpressionPtr Parser::parse_primary() {
  const Position at = current().at;
  if (is(Token::kName)) return parse_name();
  if (is(Token::kInteger) || is(Token::kReal)) return parse_number();
  if (is(Token::kString)) {
    std::string joined;
    while (is(Token::kString)) joined += take().text;
    return make(at, Constant{text(std::move(joined))}, 0);
  }
  if (skip_operator("(")) {
    ExpressionPtr inside = parse_tuple(true, true);
    expect_operator(")");
    return inside;
  }
  if (is_operator("[")) return parse_list();
  if (is_operator("{")) return parse_dict();
  if (is(Token::kEnd)) error("unexpected end of template");
  error(str("unexpected '", described(current()), "'"));
}

ExpressionPtr Parser::parse_name() {
  const Token token = take();
  const std::string& name = token.text;
  if (name == "true" || name == "True") return make(token.at, Constant{boolean(true)}, 0);
  if (name == "false" || name == "False") return make(token.at, Constant{boolean(false)}, 0);
  if (name == "none" || name == "None") return make(token.at, Constant{}, 0);
  names_seen_.uses_caller |= name == "caller";
  names_seen_.uses_named |= name == "kwargs";
  names_seen_.uses_positional |= name == "varargs";
  return make(token.at, Name{name}, 0);
}

ExpressionPtr Parser::parse_number() {
  const Token token = take();
  std::string_view digits = token.text;
  if (token.kind == Token::kReal) return make(token.at, Constant{real(std::strtod(token.text.c_str(), nullptr))}, 0);
  int base = 10;
  if (digits.size() > 2 && digits[0] == '0' && !std::isdigit(static_cast<unsigned char>(digits[1]))) {
    const char letter = static_cast<char>(std::tolower(static_cast<unsigned char>(digits[1])));
    base = letter == 'x' ? 16 : letter == 'o' ? 8 : 2;
    digits.remove_prefix(2);
  }
  int64_t value = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), value, base).ec != std::errc())
    error(str("wanted an integer of 64 bits, found ", token.text), token.at);
  return make(token.at, Constant{whole(value)}, 0);
}

// One expression, or several with commas: a tuple.
ExpressionPtr Parser::parse_tuple(bool with_conditional, bool in_parentheses, bool until_recursive) {
  Deeper deeper(*this);
  const Position at = current().at;
  SequenceLiteral node{true, {}};
  bool is_tuple = false;
  int depth = 0;
  for (;;) {
    if (!node.items.empty()) expect_operator(",");
    if (is(Token::kVariableEnd) || is(Token::kBlockEnd) || is_operator(")")) break;
    if (until_recursive && is_name("recursive")) break;
    node.items.push_back(with_conditional ? parse_expression() : parse_or());
    depth = std::max(depth, node.items.back()->depth);
    if (!is_operator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !node.items.empty()) return std::move(node.items.front());
  if (!is_tuple && !in_parentheses) error(str("Expected an expression, got '", described(current()), "'"));
  return make(at, std::move(node), depth);
}

ExpressionPtr Parser::parse_list() {
  const Position at = take().at;
  SequenceLiteral node{false, {}};
  int depth = 0;
  while (!is_operator("]")) {
    if (!node.items.empty()) expect_operator(",");
    if (is_operator("]")) break;
    node.items.push_back(parse_expression());
    depth = std::max(depth, node.items.back()->depth);
  }
  take();
  return make(at, std::move(node), depth);
}

ExpressionPtr Parser::parse_dict() {
  const Position at = take().at;
  DictLiteral node;
  int depth = 0;
  while (!is_operator("}")) {
    if (!node.entries.empty()) expect_operator(",");
    if (is_operator("}")) break;
    ExpressionPtr key = parse_expression();
    expect_operator(":");
    ExpressionPtr value = parse_expression();
    depth = std::max({depth, key->depth, value->depth});
    node.entries.emplace_back(std::move(key), std::move(value));
  }
  take();
  return make(at, std::move(node), depth);
}

ExpressionPtr Parser::parse_postfix(ExpressionPtr object) {
  for (;;) {
    if (is_operator(".") || is_operator("[")) {
      object = parse_subscript(std::move(object));
    } else if (is_operator("(")) {
      const Position at = object->at;
      CallArguments arguments = parse_arguments();
      int depth = std::max(object->depth, depth_of(arguments));
      object = make(at, Call{std::move(object), std::move(arguments)}, depth);
    } else {
      return object;
    }
  }
}

ExpressionPtr Parser::parse_filters(ExpressionPtr input) {
  for (;;) {
    if (is_operator("|")) {
      take();
      FilterStep step = parse_filter_step();
      const Position at = step.at;
      int depth = std::max(input->depth, depth_of(step.arguments));
      input = make(at, Filtered{std::move(input), std::move(step)}, depth);
    } else if (is_name("is")) {
      input = parse_test(std::move(input));
    } else if (is_operator("(")) {
      input = parse_postfix(std::move(input));
    } else {
      return input;
    }
  }
}

FilterStep Parser::parse_filter_step() {
  Token name = expect(Token::kName);
  while (skip_operator(".")) name.text += "." + expect(Token::kName).text;
  check_known(missing_filter(name.text), name.at);
  FilterStep step{name.text, {}, name.at};
  if (is_operator("(")) step.arguments = parse_arguments();
  return step;
}

ExpressionPtr Parser::parse_subscript(ExpressionPtr object) {
  const Token token = take();
  int depth = object->depth;
  if (token.text == ".") {
    if (is(Token::kName)) return make(token.at, Attribute{std::move(object), take().text}, depth);
    if (!is(Token::kInteger)) error("expected name or number");
    return make(token.at, Item{std::move(object), parse_number()}, depth);
  }
  ExpressionPtr parts[3];  // start, stop, step; a single part is a key
  size_t colons = 0;
  while (!is_operator("]")) {
    if (is_operator(",") && colons == 0 && parts[0]) {
      parts[0] = parse_key_tuple(std::move(parts[0]));
    } else if (is_operator(":")) {
      take();
      if (++colons > 2) error("unexpected ':'");
    } else if (parts[colons]) {
      error(str("expected token ',', got '", described(current()), "'"));
    } else {
      parts[colons] = parse_expression();
    }
    depth = std::max(depth, depth_of(parts[colons]));
  }
  take();
  if (colons == 0 && !parts[0]) error("expected an expression in the subscript", token.at);
  if (colons == 0) return make(token.at, Item{std::move(object), std::move(parts[0])}, depth);
  return make(token.at, Slice{std::move(object), std::move(parts[0]), std::move(parts[1]), std::move(parts[2])}, depth);
}

// The rest of object[first, ...].
ExpressionPtr Parser::parse_key_tuple(ExpressionPtr first) {
  const Position at = first->at;
  SequenceLiteral node{true, {}};
  int depth = first->depth;
  node.items.push_back(std::move(first));
  while (skip_operator(",")) {
    node.items.push_back(parse_expression());
    depth = std::max(depth, node.items.back()->depth);
  }
  return make(at, std::move(node), depth);
}

ExpressionPtr Parser::parse_test(ExpressionPtr input) {
  const Position at = take().at;
  const bool negated = skip_name("not");
  Token name = expect(Token::kName);
  while (skip_operator(".")) name.text += "." + expect(Token::kName).text;
  check_known(missing_test(name.text), name.at);
  Tested node{std::move(input), name.text, {}};
  int depth = node.input->depth;
  bool operand = (is(Token::kName) && !is_any_name({"else", "or", "and"})) || is(Token::kString) ||
                 is(Token::kInteger) || is(Token::kReal) || is_operator("[") || is_operator("{");
  if (is_operator("(")) {
    node.arguments = parse_arguments();
  } else if (operand) {
    if (is_name("is")) error("You cannot chain multiple tests with is");
    ExpressionPtr argument = parse_primary();
    node.arguments.positional.push_back(parse_postfix(std::move(argument)));
  }
  depth = std::max(depth, depth_of(node.arguments));
  ExpressionPtr test = make(at, std::move(node), depth);
  return negated ? make(at, Unary{"not", std::move(test)}, depth + 1) : std::move(test);
}

CallArguments Parser::parse_arguments() {
  const Position at = take().at;
  CallArguments arguments;
  auto ensure = [&](bool holds) {
    if (!holds) error("invalid syntax for function call expression", at);
  };
  for (bool first = true; !is_operator(")"); first = false) {
    if (!first) expect_operator(",");
    if (is_operator(")")) break;
    if (skip_operator("*")) {
      ensure(!arguments.star && !arguments.double_star);
      arguments.star = parse_expression();
    } else if (skip_operator("**")) {
      ensure(!arguments.double_star);
      arguments.double_star = parse_expression();
    } else if (is(Token::kName) && ahead().kind == Token::kOperator && ahead().text == "=") {
      ensure(!arguments.double_star);
      std::string name = take().text;
      take();
      arguments.named.emplace_back(std::move(name), parse_expression());
    } else {
      ensure(!arguments.star && !arguments.double_star && arguments.named.empty());
      arguments.positional.push_back(parse_expression());
    }
  }
  take();
  return arguments;
}

}  // namespace longhaul::jinja
