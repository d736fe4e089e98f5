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

const char* punctuation(const char* at, const char* end, bool with_slashes = false) {
  at = skip(CharacterClass::kOther, at, end);
  while (at < end && (is_line_end(*at) || (with_slashes && *at == '/'))) ++at;
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

struct Capitals {
  const char* end;
  const char* last_either;  // the end of the last character that may be in lower case too; nullptr: there is none
};

// [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*
Capitals capitals(const char* at, const char* end) {
  Capitals run{at, nullptr};
  while (run.end < end) {
    const char* next = run.end;
    LetterCase letter = case_of_code_point(next_code_point(next));
    if (letter != LetterCase::kUpper && letter != LetterCase::kEither) break;
    run.end = next;
    if (letter == LetterCase::kEither) run.last_either = next;
  }
  return run;
}

// [\p{Ll}\p{Lm}\p{Lo}\p{M}]*
const char* lower_case(const char* at, const char* end) {
  while (at < end) {
    const char* next = at;
    LetterCase letter = case_of_code_point(next_code_point(next));
    if (letter != LetterCase::kLower && letter != LetterCase::kEither) break;
    at = next;
  }
  return at;
}

// [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+ : its end, or nullptr. Where nothing in lower case follows
// the capitals, they give back what is behind the last one that may be in lower case.
const char* word(const Capitals& run, const char* end) {
  const char* stop = lower_case(run.end, end);
  return stop > run.end ? stop : run.last_either;
}

const char* scan_tekken(const char* at, const char* end) {
  const char* next = at;
  CharacterClass first = next_class(next);
  const Capitals bare = capitals(at, end);
  const bool may_lead = first != CharacterClass::kLetter && first != CharacterClass::kNumber && !is_line_end(*at);
  const Capitals led = may_lead ? capitals(next, end) : bare;
  if (const char* stop = word(led, end)) return stop;
  if (const char* stop = word(bare, end)) return stop;
  if (led.end > (may_lead ? next : at)) return led.end;
  if (first == CharacterClass::kNumber) return next;
  if (first == CharacterClass::kOther) return punctuation(next, end, true);
  const char* second = next;
  bool sign_behind = *at == ' ' && next < end && next_class(second) == CharacterClass::kOther;
  return sign_behind ? punctuation(second, end, true) : spaces_or_lines(at, end);
}

}  // namespace

Scanner scanner_for(std::string_view pattern) {
  if (pattern == kGpt2Pattern) return scan_gpt2;
  if (pattern == kLlama3Pattern) return scan_llama3<3>;
  if (pattern == kQwen2Pattern) return scan_llama3<1>;
  if (pattern == kTekkenPattern) return scan_tekken;
  return nullptr;
}

}  // namespace longhaul
