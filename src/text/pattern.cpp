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

std::string message_of(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

// \s means White_Space to Oniguruma, while PCRE2 adds U+180E; what else differs is refused.
std::string translated(std::string_view expression, const std::string& where) {
  std::string out;
  for (size_t i = 0; i < expression.size(); ++i) {
    if (expression[i] != '\\' || i + 1 == expression.size()) {
      out += expression[i];
      continue;
    }
    char escape = expression[++i];
    bool is_word = escape == 'w' || escape == 'W' || escape == 'b' || escape == 'B';
    check(!is_word, where, ": \\", escape, " in a regular expression is not supported (engines disagree about words)");
    out += escape == 's' ? "\\p{White_Space}" : escape == 'S' ? "\\P{White_Space}" : std::string{'\\', escape};
  }
  return out;
}

}  // namespace

Pattern::Pattern(std::string_view expression, const std::string& where) : where_(where) {
  std::string text = translated(expression, where);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                   PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
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
    check(found >= 0, where_, ": cannot match: ", message_of(found));
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match);
    check(from <= range[0] && range[0] < range[1], where_, ": a match must not begin behind its end");  // \K can
    return {range[0], range[1]};
  }
  return {std::string_view::npos, std::string_view::npos};
}

}  // namespace longhaul
