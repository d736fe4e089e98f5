#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>

#include "text/jinja/python_string.h"
#include "text/jinja/python_text.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace longhaul::jinja {

namespace {

// One kind of line end; one at the very end is dropped.
std::string normalized_lines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    out += source[i] == '\r' ? '\n' : source[i];
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

bool is_digit_of(char c, int base) {
  auto byte = static_cast<unsigned char>(c);
  if (base == 16) return std::isxdigit(byte) != 0;
  return c >= '0' && c < '0' + base;
}

class Lexer {
 public:
  Lexer(std::string source, const std::string& where) : source_(std::move(source)), where_(where) {}
  std::vector<Token> run();

 private:
  [[noreturn]] void error(const std::string& reason) const { throw TemplateError(where_, place_, reason); }
  char peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  bool looking_at(std::string_view text) const { return std::string_view(source_).substr(at_).starts_with(text); }
  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  void advance(size_t bytes);  // and counts lines and columns
  void skip_space();
  void add(Token::Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), place_}); }

  void data();
  void add_data(std::string_view text, char sign, bool block);
  bool raw_begins(size_t& length) const;
  void raw(size_t begin_length);
  bool endraw_at(size_t at, char& sign, size_t& length) const;
  void comment();
  void tag(bool block);
  bool tag_ends(bool block);
  void token();
  void number();
  void string();
  void escape(std::string& out);
  uint32_t escaped_code(size_t digits, int base);
  void operation();
  [[noreturn]] void unexpected_character() const;

  std::string source_;
  const std::string& where_;
  size_t at_ = 0;
  Position place_;
  bool line_starting_ = true;  // the last thing ended with a line
  std::string open_;           // brackets of this tag that are to be closed
  std::vector<Token> tokens_;
};

void Lexer::advance(size_t bytes) {
  for (size_t end = std::min(at_ + bytes, source_.size()); at_ < end; ++at_) {
    if (source_[at_] == '\n') {
      ++place_.line, place_.column = 1;
    } else if ((static_cast<unsigned char>(source_[at_]) & 0xC0) != 0x80) {
      ++place_.column;
    }
  }
}

void Lexer::skip_space() { advance(rest().size() - strip(rest(), std::nullopt, true, false).size()); }

std::vector<Token> Lexer::run() {
  while (at_ < source_.size()) data();
  add(Token::kEnd, "");
  return std::move(tokens_);
}

// Text up to the next tag, and that tag.
void Lexer::data() {
  size_t tag_at = at_;
  for (;; ++tag_at) {
    tag_at = source_.find('{', tag_at);
    if (tag_at == std::string::npos || tag_at + 1 >= source_.size()) break;
    const char next = source_[tag_at + 1];
    if (next == '{' || next == '%' || next == '#') break;
  }
  if (tag_at == std::string::npos || tag_at + 1 >= source_.size()) {
    add(Token::kData, std::string(rest()));
    return advance(source_.size() - at_);
  }
  const char kind = source_[tag_at + 1], after = tag_at + 2 < source_.size() ? source_[tag_at + 2] : '\0';
  const char sign = after == '-' || after == '+' ? after : '\0';
  add_data(rest().substr(0, tag_at - at_), sign, kind != '{');
  advance(tag_at - at_);
  size_t raw_length = 0;
  if (kind == '%' && raw_begins(raw_length)) return raw(raw_length);
  const Position begin = place_;
  advance(sign != '\0' ? 3 : 2);
  line_starting_ = false;
  if (kind == '#') return comment();
  tokens_.push_back({kind == '%' ? Token::kBlockBegin : Token::kVariableBegin, "", begin});
  tag(kind == '%');
}

// Text before a tag: "-" takes all white space before it away, otherwise blocks take their line's indentation.
void Lexer::add_data(std::string_view text, char sign, bool block) {
  if (sign == '-') {
    text = strip(text, std::nullopt, false, true);
  } else if (sign != '+' && block) {
    size_t line = text.rfind('\n') + 1;  // 0 when there is no line end
    if ((line > 0 || line_starting_) && strip(text.substr(line), std::nullopt, true, false).empty())
      text = text.substr(0, line);
  }
  if (!text.empty()) add(Token::kData, std::string(text));
}

// {%[-+]? raw (-%}\s*|%})
bool Lexer::raw_begins(size_t& length) const {
  std::string_view text = rest().substr(2);
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  text = strip(text, std::nullopt, true, false);
  if (!text.starts_with("raw")) return false;
  text = strip(text.substr(3), std::nullopt, true, false);
  if (text.starts_with("-%}"))
    text = strip(text.substr(3), std::nullopt, true, false);
  else if (text.starts_with("%}"))
    text.remove_prefix(2);
  else
    return false;
  length = rest().size() - text.size();
  return true;
}

// {%[-+]? endraw (+%}|-%}\s*|%}\n?)
bool Lexer::endraw_at(size_t at, char& sign, size_t& length) const {
  std::string_view whole = std::string_view(source_).substr(at), text = whole.substr(2);
  sign = text.starts_with('-') || text.starts_with('+') ? text.front() : '\0';
  if (sign != '\0') text.remove_prefix(1);
  text = strip(text, std::nullopt, true, false);
  if (!text.starts_with("endraw")) return false;
  text = strip(text.substr(6), std::nullopt, true, false);
  if (text.starts_with("+%}")) {
    text.remove_prefix(3);
  } else if (text.starts_with("-%}")) {
    text = strip(text.substr(3), std::nullopt, true, false);
  } else if (text.starts_with("%}")) {
    text.remove_prefix(text.starts_with("%}\n") ? 3 : 2);
  } else {
    return false;
  }
  length = whole.size() - text.size();
  return true;
}

void Lexer::raw(size_t begin_length) {
  line_starting_ = source_[at_ + begin_length - 1] == '\n';
  advance(begin_length);
  char sign = '\0';
  size_t length = 0, end = at_;
  for (;; end += 2) {
    end = source_.find("{%", end);
    if (end == std::string::npos) error("Missing end of raw directive");
    if (endraw_at(end, sign, length)) break;
  }
  add_data(rest().substr(0, end - at_), sign, true);
  advance(end - at_);
  line_starting_ = source_[at_ + length - 1] == '\n';
  advance(length);
}

void Lexer::comment() {
  size_t end = source_.find("#}", at_);
  if (end == std::string::npos) error("Missing end of comment tag");
  const char sign = end > at_ ? source_[end - 1] : '\0';
  advance(end + 2 - at_);
  if (sign == '-') {
    skip_space();
  } else if (sign != '+' && peek() == '\n') {
    advance(1);
  }
  line_starting_ = source_[at_ - 1] == '\n';
}

void Lexer::tag(bool block) {
  open_.clear();
  for (;;) {
    if (open_.empty() && tag_ends(block)) return;
    if (at_ >= source_.size()) return;  // the parser says what is missing
    skip_space();
    if (open_.empty() && tag_ends(block)) return;
    if (at_ < source_.size()) token();
  }
}

// Block: +%} | -%}\s* | %}\n?. Variable: -}}\s* | }}.
bool Lexer::tag_ends(bool block) {
  const std::string_view mark = block ? "%}" : "}}";
  const char sign = peek();
  const bool strips = sign == '-' && rest().substr(1).starts_with(mark);
  const bool keeps = block && sign == '+' && rest().substr(1).starts_with(mark);
  if (!strips && !keeps && !looking_at(mark)) return false;
  add(block ? Token::kBlockEnd : Token::kVariableEnd, "");
  advance(strips || keeps ? 3 : 2);
  if (strips)
    skip_space();
  else if (block && !keeps && peek() == '\n')
    advance(1);
  line_starting_ = source_[at_ - 1] == '\n';
  return true;
}

void Lexer::token() {
  const auto byte = static_cast<unsigned char>(peek());
  if (std::isdigit(byte)) return number();
  if (byte == '\'' || byte == '"') return string();
  auto is_name = [](uint32_t code) { return code == '_' || is_word_character(code); };
  const char *begin = source_.data() + at_, *end = source_.data() + source_.size(), *name_end = begin;
  for (const char* at = begin; at < end && is_name(next_code_point(at));) name_end = at;
  if (name_end == begin) return operation();
  const Position place = place_;
  advance(static_cast<size_t>(name_end - begin));
  tokens_.push_back({Token::kName, std::string(begin, name_end), place});
}

void Lexer::number() {
  size_t end = at_;
  auto digits = [&](int base) {  // with underscores between them
    size_t begin = end;
    while (end < source_.size()) {
      bool joins =
          source_[end] == '_' && end > begin && end + 1 < source_.size() && is_digit_of(source_[end + 1], base);
      if (!joins && !is_digit_of(source_[end], base)) break;
      ++end;
    }
    return end > begin;
  };
  const char prefix = static_cast<char>(std::tolower(static_cast<unsigned char>(peek(1))));
  const int base = prefix == 'x' ? 16 : prefix == 'o' ? 8 : prefix == 'b' ? 2 : 10;
  Token::Kind kind = Token::kInteger;
  if (peek() == '0' && base != 10 && is_digit_of(peek(2), base)) {
    end += 2;
    digits(base);
  } else {
    digits(10);
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';  // x.0.1: items of items
    auto at = [&](size_t i) { return i < source_.size() ? source_[i] : '\0'; };
    if (!after_dot && at(end) == '.' && is_digit_of(at(end + 1), 10)) {
      kind = Token::kReal, ++end;
      digits(10);
    }
    size_t sign = at(end + 1) == '+' || at(end + 1) == '-';
    if (!after_dot && (at(end) == 'e' || at(end) == 'E') && is_digit_of(at(end + 1 + sign), 10)) {
      kind = Token::kReal, end += 1 + sign;
      digits(10);
    }
  }
  std::string text = source_.substr(at_, end - at_);
  std::erase(text, '_');
  add(kind, text);
  advance(end - at_);
}

void Lexer::string() {
  const char quote = peek();
  const Position begin = place_;
  size_t end = at_ + 1;
  while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
  if (end >= source_.size()) unexpected_character();
  advance(1);
  std::string out;
  while (at_ < end) {
    if (peek() == '\\') {
      escape(out);
    } else {
      out += peek();
      advance(1);
    }
  }
  advance(1);
  tokens_.push_back({Token::kString, std::move(out), begin});
}

// Python's "unicode-escape": what it does not know stays as it is, with its backslash.
void Lexer::escape(std::string& out) {
  constexpr std::string_view letters = "abfnrtv\\'\"", meant = "\a\b\f\n\r\t\v\\'\"";
  const char letter = peek(1);
  if (size_t known = letters.find(letter); known != std::string_view::npos) {
    out += meant[known];
    return advance(2);
  }
  if (letter == '\n') return advance(2);  // the line goes on
  if (letter == 'N') error("the escape \\N is not supported");
  if (letter == 'x' || letter == 'u' || letter == 'U') {
    advance(2);
    return append_utf8(escaped_code(letter == 'x' ? 2 : letter == 'u' ? 4 : 8, 16), out);
  }
  if (is_digit_of(letter, 8)) {
    advance(1);
    size_t digits = 1;
    while (digits < 3 && is_digit_of(peek(digits), 8)) ++digits;
    return append_utf8(escaped_code(digits, 8), out);
  }
  out += '\\';
  advance(1);
}

uint32_t Lexer::escaped_code(size_t digits, int base) {
  uint32_t code = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (!is_digit_of(peek(i), base)) error(str("truncated \\", source_[at_ - 1], std::string(digits, 'X'), " escape"));
    const char c = static_cast<char>(std::tolower(static_cast<unsigned char>(peek(i))));
    code = code * static_cast<uint32_t>(base) + static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) error("illegal Unicode character");
  advance(digits);
  return code;
}

void Lexer::unexpected_character() const {
  Budget budget{Limits()};
  const std::string character = repr(jinja::text(std::string(rest().substr(0, utf8_step(rest()).length))), budget);
  error(str("unexpected char ", character, " at ", count_characters(std::string_view(source_).substr(0, at_))));
}

void Lexer::operation() {
  constexpr std::array<std::string_view, 6> two = {"//", "**", "==", "!=", ">=", "<="};
  constexpr std::string_view one = "+-/*%~[](){}><=.:|,;", open = "([{", close = ")]}";
  size_t length = 1;
  for (std::string_view operation : two)
    if (looking_at(operation)) length = 2;
  const char c = peek();
  if (length == 1 && one.find(c) == std::string_view::npos) unexpected_character();
  if (size_t kind = open.find(c); kind != std::string_view::npos) open_ += close[kind];
  if (close.find(c) != std::string_view::npos) {
    if (open_.empty()) error(str("unexpected '", c, "'"));
    if (open_.back() != c) error(str("unexpected '", c, "', expected '", open_.back(), "'"));
    open_.pop_back();
  }
  add(Token::kOperator, source_.substr(at_, length));
  advance(length);
}

}  // namespace

std::vector<Token> tokenize(std::string_view source, const std::string& where) {
  check(is_utf8(source), where, ": wanted a template in UTF-8, found other bytes");
  return Lexer(normalized_lines(source), where).run();
}

}  // namespace longhaul::jinja
