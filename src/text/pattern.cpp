#include "text/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <cctype>
#include <new>

#include "base/error.h"

namespace longhaul {

namespace {

constexpr size_t kLargestStack = size_t{32} << 20;  // bytes of a thread's JIT stack, grown as needed
constexpr uint32_t kMatchLimit = 50'000'000;        // steps before a match counts as pathological

// ^ and $ are the borders of lines.
constexpr uint32_t kOptions = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;

std::string message_of(int code) {
  PCRE2_UCHAR text[256] = {};  // stays empty for a code without a message
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

// An escape at expression[i], which moves behind it.
std::string translated_escape(std::string_view expression, size_t& i, const std::string& where) {
  const char escape = expression[++i];
  check(escape != 'h' && escape != 'H', where, ": \\", escape,
        " in a regular expression is not supported (hexadecimal digits to some engines, blanks to others)");
  const bool is_word = escape == 'w' || escape == 'W' || escape == 'b' || escape == 'B';
  check(!is_word, where, ": \\", escape, " in a regular expression is not supported (engines disagree about words)");
  return escape == 's' ? "\\p{White_Space}" : escape == 'S' ? "\\P{White_Space}" : std::string{'\\', escape};
}

// Oniguruma's expression as PCRE2 writes it: \s means White_Space, while PCRE2 adds U+180E; a set of characters may
// stand within another (BLOOM), where PCRE2 would see brackets. What else differs is refused.
std::string translated(std::string_view expression, const std::string& where) {
  std::string out;
  int depth = 0;  // of sets
  for (size_t i = 0; i < expression.size(); ++i) {
    const std::string_view rest = expression.substr(i);
    if (rest.size() > 1 && rest[0] == '\\') {
      out += translated_escape(expression, i, where);
    } else if (depth == 0 && rest[0] == '[') {
      depth = 1;
      const std::string_view opening = rest.starts_with("[^]") ? "[^]" : rest.starts_with("[]") ? "[]" : "[";
      out += opening;
      i += opening.size() - 1;
    } else if (depth > 0 && rest.starts_with("[:") && rest.find(":]") != std::string_view::npos) {
      const std::string_view name = rest.substr(0, rest.find(":]") + 2);
      out += name;
      i += name.size() - 1;
    } else if (depth > 0 && (rest[0] == '[' || rest.starts_with("&&"))) {
      check(rest[0] == '[' && !rest.starts_with("[^"), where,
            ": [^ and && within a set of characters are not supported in a regular expression");
      check(!out.ends_with('-'), where, ": - in front of a set within a set of characters is not supported");
      ++depth;
    } else if (depth > 0 && rest[0] == ']') {
      if (--depth == 0) out += ']';
      check(depth == 0 || !rest.starts_with("]-"), where,
            ": - behind a set within a set of characters is not supported");
    } else {
      out += rest[0];
    }
  }
  return out;
}

}  // namespace

Pattern::Pattern(std::string_view expression, const std::string& where) : where_(where) {
  std::string text = translated(expression, where);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), kOptions, &error, &offset, nullptr);
  check(code != nullptr, where, ": not a regular expression: ", message_of(error), " (at byte ", offset, ")");
  code_ = {code, [](const void* p) { pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(p))); }};
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where there is no JIT, pcre2_match interprets
}

std::string Pattern::quoted(std::string_view text) {
  std::string quoted;
  for (char c : text) {
    if (static_cast<unsigned char>(c) < 0x80 && !std::isalnum(static_cast<unsigned char>(c))) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

Pattern::Scratch::Scratch()
    : match_(pcre2_match_data_create(1, nullptr)),
      context_(pcre2_match_context_create(nullptr)),
      stack_(pcre2_jit_stack_create(size_t{32} << 10, kLargestStack, nullptr)) {
  if (!match_ || !context_) throw std::bad_alloc();
  auto context = static_cast<pcre2_match_context*>(context_);
  pcre2_set_match_limit(context, kMatchLimit);
  pcre2_jit_stack_assign(context, nullptr, stack_);  // without a JIT there is no stack either
}

Pattern::Scratch::~Scratch() {
  pcre2_match_data_free(static_cast<pcre2_match_data*>(match_));
  pcre2_match_context_free(static_cast<pcre2_match_context*>(context_));
  pcre2_jit_stack_free(static_cast<pcre2_jit_stack*>(stack_));
}

Pattern::Match Pattern::find(std::string_view text, size_t from, Scratch& scratch) const {
  auto match = static_cast<pcre2_match_data*>(scratch.match_);
  if (from < text.size()) {
    int found = pcre2_match(static_cast<const pcre2_code*>(code_.get()), reinterpret_cast<PCRE2_SPTR>(text.data()),
                            text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, match,
                            static_cast<pcre2_match_context*>(scratch.context_));
    if (found == PCRE2_ERROR_NOMATCH) return {std::string_view::npos, std::string_view::npos};
    if (found < 0) fail(where_, ": cannot match: ", message_of(found));
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match);
    check(from <= range[0] && range[0] < range[1], where_, ": a match must not begin behind its end");  // \K can
    return {range[0], range[1]};
  }
  return {std::string_view::npos, std::string_view::npos};
}

}  // namespace longhaul
