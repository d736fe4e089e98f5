// The tokens of a template, as Jinja2's lexer cuts it with trim_blocks and lstrip_blocks on (what Hugging Face sets).
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace longhaul::jinja {

struct Position {
  int line = 1, column = 1;  // in characters, from 1
};

// An error at a place of a template. what() is "<where>:<line>:<column>: <reason>".
struct TemplateError : Error {
  TemplateError(const std::string& where, Position at, const std::string& reason)
      : Error(str(where, ":", at.line, ":", at.column, ": ", reason)), reason(reason), at(at) {}
  std::string reason;  // as Jinja2 and Python say it, where they have the same error
  Position at;
};

struct Token {
  enum Kind {
    kData,           // text between tags
    kVariableBegin,  // {{
    kVariableEnd,
    kBlockBegin,  // {%
    kBlockEnd,
    kName,
    kString,  // unescaped
    kInteger,
    kReal,
    kOperator,
    kEnd  // of the template
  } kind;
  std::string text;
  Position at;
};

// Comments, raw markers and white space are gone. `where` names the template in errors. Error for one that is not UTF-8.
std::vector<Token> tokenize(std::string_view source, const std::string& where);

}  // namespace longhaul::jinja
