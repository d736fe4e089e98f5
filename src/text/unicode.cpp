#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "text/utf8.h"

namespace longhaul {

namespace {

constexpr auto L = CharacterClass::kLetter, N = CharacterClass::kNumber, S = CharacterClass::kSpace,
               O = CharacterClass::kOther;

utf8proc_option_t options_of(NormalForm form) {
  int options = UTF8PROC_STABLE;
  bool composes = form == NormalForm::kNFC || form == NormalForm::kNFKC;
  options |= composes ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
  if (form == NormalForm::kNFKC || form == NormalForm::kNFKD) options |= UTF8PROC_COMPAT;
  return static_cast<utf8proc_option_t>(options);
}

// Appends the normal form of a stretch; `buffer` is reused.
void append_normalized(std::string_view text, NormalForm form, std::vector<int32_t>& buffer, std::string& out) {
  auto bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  auto size = static_cast<utf8proc_ssize_t>(text.size());
  utf8proc_option_t options = options_of(form);
  for (;;) {
    auto room = static_cast<utf8proc_ssize_t>(buffer.size());
    utf8proc_ssize_t count = utf8proc_decompose(bytes, size, buffer.data(), room, options);
    check(count >= 0, "normalizer: ", utf8proc_errmsg(count));
    if (count > room) {
      buffer.resize(static_cast<size_t>(count));
      continue;
    }
    count = utf8proc_normalize_utf32(buffer.data(), count, options);
    check(count >= 0, "normalizer: ", utf8proc_errmsg(count));
    for (utf8proc_ssize_t i = 0; i < count; ++i)
      append_utf8(static_cast<uint32_t>(buffer[static_cast<size_t>(i)]), out);
    return;
  }
}

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

}  // namespace

const CharacterClass kAsciiClasses[128] = {
    O, O, O, O, O, O, O, O, O, S, S, S, S, S, O, O,  // 09..0D: tab, the line ends
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,  //
    S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,  // ' '
    N, N, N, N, N, N, N, N, N, N, O, O, O, O, O, O,  // 0..9
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,  // A..
    L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,  // ..Z
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,  // a..
    L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,  // ..z
};

CharacterClass class_of_code_point(uint32_t code) {
  if (code < 128) return kAsciiClasses[code];
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return L;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return N;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return S;
    default: return code == 0x85 ? S : O;  // the one control beyond ASCII that is white space
  }
}

LetterCase case_of_code_point(uint32_t code) {
  if (code < 0x80) {
    if (kAsciiClasses[code] != L) return LetterCase::kNone;
    return code >= 'a' ? LetterCase::kLower : LetterCase::kUpper;
  }
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT: return LetterCase::kUpper;
    case UTF8PROC_CATEGORY_LL: return LetterCase::kLower;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return LetterCase::kEither;
    default: return LetterCase::kNone;
  }
}

bool is_word_character(uint32_t code) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default:  // the joiners, and symbols that are alphabetic: letters in circles and squares
      return code == 0x200C || code == 0x200D || (code >= 0x24B6 && code <= 0x24E9) ||
             (code >= 0x1F130 && code <= 0x1F149) || (code >= 0x1F150 && code <= 0x1F169) ||
             (code >= 0x1F170 && code <= 0x1F189);
  }
}

bool is_punctuation(uint32_t code) {
  if (code < 0x80) return code > ' ' && code < 0x7F && kAsciiClasses[code] == O;
  int category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool is_control(uint32_t code) {
  int category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO;
}

bool is_mark(uint32_t code) {
  int category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
}

bool is_nonspacing_mark(uint32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code)) == UTF8PROC_CATEGORY_MN;
}

uint32_t lowercase_of(uint32_t code) {
  return static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
}

size_t length_of_spaces(std::string_view text) {
  const char *at = text.data(), *end = at + text.size();
  while (at < end) {
    const char* next = at;
    if (next_class(next) != S) break;
    at = next;
  }
  return static_cast<size_t>(at - text.data());
}

size_t length_of_spaces_at_end(std::string_view text) {
  size_t start = text.size();
  while (start > 0) {
    size_t at = start_of_last_character(text.substr(0, start));
    const char* p = text.data() + at;
    if (next_class(p) != S) break;
    start = at;
  }
  return text.size() - start;
}

size_t length_of_cluster(std::string_view text) {
  if (text.empty()) return 0;
  const char *at = text.data(), *end = at + text.size();
  auto before = static_cast<utf8proc_int32_t>(next_code_point(at));
  utf8proc_int32_t state = 0;
  while (at < end) {
    const char* next = at;
    auto code = static_cast<utf8proc_int32_t>(next_code_point(next));
    if (utf8proc_grapheme_break_stateful(before, code, &state)) break;
    before = code;
    at = next;
  }
  return static_cast<size_t>(at - text.data());
}

bool is_surely_normal(std::string_view text, NormalForm form) {
  if (form == NormalForm::kNone) return true;
  // ASCII is normal in every form; up to U+02FF (lead bytes below CC) nothing composes or is replaced in NFC.
  unsigned char limit = form == NormalForm::kNFC ? 0xCC : 0x80, highest = 0;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    highest = std::max(highest, byte);
  }
  return highest < limit;
}

std::string normalized(std::string_view text, NormalForm form) {
  std::string out;
  out.reserve(text.size() + 16);
  std::vector<int32_t> buffer;
  // ASCII characters never change and never join what stands before them: between two of them the text falls apart.
  // Only what follows one may compose with it, so a stretch begins with the last one before it.
  for (size_t i = 0; i < text.size();) {
    size_t plain = i;
    while (plain < text.size() && is_ascii(text[plain])) ++plain;
    if (plain == text.size()) {
      out += text.substr(i);
      break;
    }
    size_t start = plain > i ? plain - 1 : plain, end = plain;
    while (end < text.size() && !is_ascii(text[end])) ++end;
    out += text.substr(i, start - i);
    append_normalized(text.substr(start, end - start), form, buffer, out);
    i = end;
  }
  return out;
}

}  // namespace longhaul
