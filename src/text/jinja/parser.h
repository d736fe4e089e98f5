// Tokens to a syntax tree: Jinja2's grammar but for template inheritance and imports, which a chat template cannot use, and
// recursive loops, which none does.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/syntax.h"

namespace longhaul::jinja {

// TemplateError that says what is wrong and where; also for a filter or test that does not exist, unless it stands inside an
// {% if %} (as Jinja2 does: then it is an error when it is reached).
Body parse_template(std::string_view source, const std::string& where);

class Parser {
 public:
  Parser(std::vector<Token> tokens, const std::string& where) : tokens_(std::move(tokens)), where_(where) {}
  Body parse();

 private:
  using Names = std::initializer_list<const char*>;
  static constexpr int kDeepest = 100;            // tags in tags, brackets in brackets
  static constexpr int kDeepestExpression = 250;  // operations on operations

  // tokens
  const Token& current() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token take() { return current().kind == Token::kEnd ? current() : tokens_[at_++]; }
  bool is(Token::Kind kind) const { return current().kind == kind; }
  bool is_operator(std::string_view text) const { return is(Token::kOperator) && current().text == text; }
  bool is_name(std::string_view text) const { return is(Token::kName) && current().text == text; }
  bool is_any_name(Names names) const;
  bool skip_operator(std::string_view text);
  bool skip_name(std::string_view text);
  static std::string described(const Token& token);  // as errors name it
  Token expect(Token::Kind kind);
  void expect_operator(std::string_view text);
  void expect_name(std::string_view text);
  [[noreturn]] void error(const std::string& reason, Position at) const { throw TemplateError(where_, at, reason); }
  [[noreturn]] void error(const std::string& reason) const { error(reason, current().at); }

  // statements (parser.cpp)
  Body parse_until(Names ends);  // stands at the name of the tag that ended it
  Body parse_body(Names ends);   // behind a tag's name and expressions
  [[noreturn]] void unknown_tag(const Token& tag) const;
  [[noreturn]] void unfinished() const;
  Statement parse_statement();
  Statement parse_if();
  Statement parse_for();
  Statement parse_set();
  Statement parse_macro();
  Statement parse_call_block();
  Statement parse_filter_block();
  Statement parse_with();
  Statement parse_loop_control();
  void parse_signature(MacroDefinition& macro);
  void parse_macro_body(MacroDefinition& macro, const char* end);
  Target parse_target(bool with_namespace, bool until_in);
  Target parse_simple_target(bool with_namespace);
  std::vector<FilterStep> parse_filter_steps(bool first_is_inline);

  // expressions (parse_expression.cpp)
  ExpressionPtr parse_expression();
  ExpressionPtr parse_conditional();
  ExpressionPtr parse_or();
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  ExpressionPtr parse_comparison();
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concatenation();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  ExpressionPtr parse_unary(bool with_filters);
  ExpressionPtr parse_primary();
  ExpressionPtr parse_name();
  ExpressionPtr parse_number();
  ExpressionPtr parse_tuple(bool with_conditional, bool in_parentheses, bool until_recursive = false);
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  ExpressionPtr parse_postfix(ExpressionPtr object);
  ExpressionPtr parse_filters(ExpressionPtr input);
  ExpressionPtr parse_subscript(ExpressionPtr object);
  ExpressionPtr parse_key_tuple(ExpressionPtr first);
  ExpressionPtr parse_test(ExpressionPtr input);
  CallArguments parse_arguments();
  FilterStep parse_filter_step();
  ExpressionPtr left_to_right(Names operations, ExpressionPtr (Parser::*operand)());
  template <class Node>
  ExpressionPtr make(Position at, Node node, int depth_of_parts);
  void check_known(const std::string& missing, Position at) const;  // an error unless `missing` is empty

  class Deeper;  // counts nesting while it lives
  friend class Deeper;
  std::vector<Token> tokens_;
  const std::string& where_;
  size_t at_ = 0;
  int depth_ = 0, loops_ = 0, conditions_ = 0;
  MacroDefinition names_seen_;  // whose `uses_` flags are of the macro being parsed
  std::vector<std::string> open_tags_;
  std::vector<std::vector<std::string>> wanted_ends_;
};

class Parser::Deeper {
 public:
  explicit Deeper(Parser& parser) : parser_(parser) {
    if (++parser_.depth_ > kDeepest) parser_.error(str("nested deeper than ", kDeepest, " levels"));
  }
  ~Deeper() { --parser_.depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;

 private:
  Parser& parser_;
};

}  // namespace longhaul::jinja
