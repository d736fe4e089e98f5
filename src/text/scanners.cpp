#include "text/scanners.h"

#include "text/unicode.h"

namespace longhaul {

namespace {

// The end of the characters of class `wanted` from `at` on.
const char* skip(CharacterClass wanted, const char* at, const char* end) {
  while (at < end) {
    const char* next = at;
    if (next_class(next) != wanted) break;
    at = next;
  }
  return at;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c; }

// 's 't 're 've 'm 'll 'd at an apostrophe: its end, or nullptr. In any case U+017F (long s) is an s too.
template <bool kAnyCase>
const char* contraction(const char* at, const char* end) {
  auto letter = [&](int i) { return kAnyCase ? lower(at[i]) : at[i]; };
  if (end - at >= 2) {
    char c = letter(1);
    if (c == 's' || c == 't' || c == 'm' || c == 'd') return at + 2;
  }
  if (end - at >= 3) {
    char c = letter(1), d = letter(2);
    if ((c == 'r' && d == 'e') || (c == 'v' && d == 'e') || (c == 'l' && d == 'l')) return at + 3;
    if (kAnyCase && at[1] == '\xC5' && at[2] == '\xBF') return at + 3;
  }
  return nullptr;
}

// \s+(?!\S)|\s+ : a run of spaces leaves its last one to the word behind it, unless it is all there is.
const char* spaces(const char* at, const char* end) {
  const char *stop = at, *last = at;
  while (stop < end) {
    const char* next = stop;
    if (next_class(next) != CharacterClass::kSpace) break;
    last = stop;
    stop = next;
  }
  return stop == end || last == at ? stop : last;
}

const char* scan_gpt2(const char* at, const char* end) {
  if (*at == '\'') {
    if (const char* stop = contraction<false>(at, end)) return stop;
  }
  const char* next = at;
  CharacterClass first = next_class(next);
  if (*at == ' ' && next < end) {
    const char* second = next;
    first = next_class(second);
    if (first != CharacterClass::kSpace) next = second;
  }
  return first == CharacterClass::kSpace ? spaces(at, end) : skip(first, next, end);
}

bool is_line_end(char c) { return c == '\r' || c == '\n'; }

// \s*[\r\n]+|\s+(?!\S)|\s+ : up to the run's last line end when it has one.
const char* spaces_or_lines(const char* at, const char* end) {
  const char* run = skip(CharacterClass::kSpace, at, end);
  for (const char* p = run; p > at; --p) {
    if (is_line_end(p[-1])) return p;
  }
  return spaces(at, end);
}

const char* punctuation(const char* at, const char* end) {
  at = skip(CharacterClass::kOther, at, end);
  while (at < end && is_line_end(*at)) ++at;
  return at;
}

template <int kDigits>
const char* scan_llama3(const char* at, const char* end) {
  if (*at == '\'') {
    if (const char* stop = contraction<true>(at, end)) return stop;
  }
  const char* next = at;
  CharacterClass first = next_class(next);
  if (first == CharacterClass::kLetter) return skip(CharacterClass::kLetter, next, end);
  if (first == CharacterClass::kNumber) {
    for (int i = 1; i < kDigits && next < end; ++i) {
      const char* more = next;
      if (next_class(more) != CharacterClass::kNumber) break;
      next = more;
    }
    return next;
  }
  const char* second = next;
  CharacterClass after = next < end ? next_class(second) : CharacterClass::kSpace;
  if (after == CharacterClass::kLetter && !is_line_end(*at)) return skip(CharacterClass::kLetter, second, end);
  if (first == CharacterClass::kOther) return punctuation(next, end);
  if (*at == ' ' && after == CharacterClass::kOther) return punctuation(second, end);
  return spaces_or_lines(at, end);
}

}  // namespace

Scanner scanner_for(std::string_view pattern) {
  if (pattern == kGpt2Pattern) return scan_gpt2;
  if (pattern == kLlama3Pattern) return scan_llama3<3>;
  if (pattern == kQwen2Pattern) return scan_llama3<1>;
  return nullptr;
}

}  // namespace longhaul
