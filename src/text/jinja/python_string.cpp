#include "text/jinja/python_string.h"

#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "text/unicode.h"
#include "text/utf8.h"

namespace longhaul::jinja {

namespace {

constexpr size_t kPartBytes = 128;  // about what a short text of a list takes

auto category(uint32_t code) { return utf8proc_category(static_cast<utf8proc_int32_t>(code)); }

uint32_t to_upper(uint32_t code) {
  return static_cast<uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(code)));
}
uint32_t to_lower(uint32_t code) {
  return static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
}
uint32_t to_title(uint32_t code) {
  return static_cast<uint32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(code)));
}
bool is_cased(uint32_t code) { return is_upper(code) || is_lower(code) || category(code) == UTF8PROC_CATEGORY_LT; }

// Capitals that are more than one letter: Unicode's SpecialCasing.txt, the Latin part.
const char* long_upper(uint32_t code) {
  constexpr const char* ligatures[] = {"FF", "FI", "FL", "FFI", "FFL", "ST", "ST"};  // U+FB00..FB06
  if (code == 0xDF) return "SS";
  if (code == 0x149) return "\xCA\xBCN";
  return code >= 0xFB00 && code <= 0xFB06 ? ligatures[code - 0xFB00] : nullptr;
}
const char* long_title(uint32_t code) {
  constexpr const char* ligatures[] = {"Ff", "Fi", "Fl", "Ffi", "Ffl", "St", "St"};
  if (code == 0xDF) return "Ss";
  if (code == 0x149) return "\xCA\xBCN";
  return code >= 0xFB00 && code <= 0xFB06 ? ligatures[code - 0xFB00] : nullptr;
}

void append_upper(uint32_t code, std::string& out) {
  if (const char* several = long_upper(code))
    out += several;
  else
    append_utf8(to_upper(code), out);
}
void append_title(uint32_t code, std::string& out) {
  if (const char* several = long_title(code))
    out += several;
  else
    append_utf8(to_title(code), out);
}
void append_lower(uint32_t code, std::string& out) {
  if (code == 0x130)
    out += "i\xCC\x87";  // a dotted capital I keeps its dot
  else
    append_utf8(to_lower(code), out);
}

template <class Map>
std::string mapped(std::string_view text, const Map& map) {
  std::string out;
  out.reserve(text.size());
  for (const char *at = text.data(), *end = at + text.size(); at < end;) map(next_code_point(at), out);
  return out;
}

// White space, or the characters of a text.
class CharacterSet {
 public:
  explicit CharacterSet(std::optional<std::string_view> text) : is_space_(!text) {
    if (!text) return;
    for (const char *at = text->data(), *end = at + text->size(); at < end;) codes_.insert(next_code_point(at));
  }
  bool has(uint32_t code) const { return is_space_ ? is_space(code) : codes_.count(code) != 0; }

 private:
  bool is_space_;
  std::set<uint32_t> codes_;
};

bool is_line_end(uint32_t code) {
  return (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) || code == 0x85 || code == 0x2028 ||
         code == 0x2029;
}

// Where the character that ends at `end` begins.
size_t step_back(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

uint32_t code_at(std::string_view text, size_t at) {
  const char* place = text.data() + at;
  return next_code_point(place);
}

Parts split_at_space(std::string_view text, int64_t most, Budget& budget) {
  Parts parts;
  std::string_view rest = strip(text, std::nullopt, true, false);
  while (!rest.empty()) {
    if (most >= 0 && static_cast<int64_t>(parts.size()) == most) {
      parts.emplace_back(rest);
      break;
    }
    const char *begin = rest.data(), *end = begin + rest.size(), *at = begin, *word_end = end;
    while (at < end) {
      const char* before = at;
      if (is_space(next_code_point(at))) {
        word_end = before;
        break;
      }
    }
    budget.make(kPartBytes + static_cast<size_t>(word_end - begin));
    parts.emplace_back(begin, word_end);
    rest = strip(rest.substr(static_cast<size_t>(word_end - begin)), std::nullopt, true, false);
  }
  return parts;
}

Parts split_at_space_right(std::string_view text, int64_t most, Budget& budget) {
  Parts parts;
  std::string_view rest = strip(text, std::nullopt, false, true);
  while (!rest.empty()) {
    if (most >= 0 && static_cast<int64_t>(parts.size()) == most) {
      parts.emplace_back(rest);
      break;
    }
    size_t begin = rest.size();
    while (begin > 0 && !is_space(code_at(rest, step_back(rest, begin)))) begin = step_back(rest, begin);
    budget.make(kPartBytes + rest.size() - begin);
    parts.emplace_back(rest.substr(begin));
    rest = strip(rest.substr(0, begin), std::nullopt, false, true);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

// "1_000" -> "1000"; nothing when an underscore is not between digits.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out.push_back(text[i]);
      continue;
    }
    auto is_digit_at = [&](size_t at) {
      return at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at]));
    };
    if (i == 0 || !is_digit_at(i - 1) || !is_digit_at(i + 1)) return std::nullopt;
  }
  return out;
}

}  // namespace

int64_t count_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

size_t byte_of(const Text& text, int64_t index) {
  if (text.ascii()) return static_cast<size_t>(index);
  const char* at = text.bytes.data();
  for (int64_t i = 0; i < index; ++i)
    at += utf8_step(std::string_view(at, text.bytes.data() + text.bytes.size())).length;
  return static_cast<size_t>(at - text.bytes.data());
}

std::string_view characters(const Text& text, int64_t begin, int64_t end) {
  size_t first = byte_of(text, begin);
  return std::string_view(text.bytes).substr(first, byte_of(text, end) - first);
}

bool is_space(uint32_t code) {
  return (code >= 0x1C && code <= 0x1F) || class_of_code_point(code) == CharacterClass::kSpace;
}

bool is_printable(uint32_t code) {
  switch (category(code)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    case UTF8PROC_CATEGORY_ZS: return code == ' ';
    default: return true;
  }
}

std::string_view strip(std::string_view text, std::optional<std::string_view> characters, bool left, bool right) {
  const CharacterSet set(characters);
  size_t begin = 0, end = text.size();
  while (left && begin < end) {
    const char* at = text.data() + begin;
    if (!set.has(next_code_point(at))) break;
    begin = static_cast<size_t>(at - text.data());
  }
  while (right && begin < end) {
    size_t before = step_back(text, end);
    if (!set.has(code_at(text, before))) break;
    end = before;
  }
  return text.substr(begin, end - begin);
}

Parts split_text(std::string_view text, std::optional<std::string_view> separator, int64_t most, Budget& budget) {
  if (!separator) return split_at_space(text, most, budget);
  check(!separator->empty(), "empty separator");
  Parts parts;
  for (;;) {
    bool full = most >= 0 && static_cast<int64_t>(parts.size()) == most;
    size_t found = full ? std::string_view::npos : find_text(text, *separator);
    budget.make(kPartBytes + std::min(found, text.size()));
    parts.emplace_back(text.substr(0, found));
    if (found == std::string_view::npos) return parts;
    text.remove_prefix(found + separator->size());
  }
}

Parts split_text_right(std::string_view text, std::optional<std::string_view> separator, int64_t most, Budget& budget) {
  if (!separator) return split_at_space_right(text, most, budget);
  check(!separator->empty(), "empty separator");
  Parts parts;
  for (;;) {
    bool full = most >= 0 && static_cast<int64_t>(parts.size()) == most;
    size_t found = full ? std::string_view::npos : find_last_text(text, *separator, budget);
    if (found == std::string_view::npos) break;
    budget.make(kPartBytes + text.size() - found);
    parts.emplace_back(text.substr(found + separator->size()));
    text = text.substr(0, found);
  }
  parts.emplace_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

Parts split_lines(std::string_view text, bool keep_ends, Budget& budget) {
  Parts lines;
  const char *at = text.data(), *end = at + text.size(), *begin = at;
  while (at < end) {
    const char* before = at;
    uint32_t code = next_code_point(at);
    if (!is_line_end(code)) continue;
    if (code == '\r' && at < end && *at == '\n') ++at;
    budget.make(kPartBytes + static_cast<size_t>(at - begin));
    lines.emplace_back(begin, keep_ends ? at : before);
    begin = at;
  }
  if (begin < end) lines.emplace_back(begin, end);
  return lines;
}

size_t find_text(std::string_view text, std::string_view part, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  const void* found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  return found ? static_cast<size_t>(static_cast<const char*>(found) - text.data()) : std::string_view::npos;
}

size_t find_last_text(std::string_view text, std::string_view part, Budget& budget) {
  if (part.size() > text.size()) return std::string_view::npos;
  budget.look(text.size() * part.size());
  return text.rfind(part);
}

std::string replaced(std::string_view text, std::string_view old, std::string_view with, int64_t most, Budget& budget) {
  std::string out;
  size_t at = 0;
  for (int64_t done = 0; most < 0 || done < most; ++done) {
    // An empty text to replace stands before every character and at the end.
    size_t step = old.empty() ? (at < text.size() ? utf8_step(text.substr(at)).length : 0) : 0;
    size_t found = old.empty() ? at : find_text(text, old, at);
    if (found == std::string_view::npos) break;
    budget.make(with.size() + 1);
    out.append(text.substr(at, found - at)).append(with).append(text.substr(found, step));
    if (old.empty() && step == 0) return out;
    at = found + old.size() + step;
  }
  budget.make(text.size() - at);
  return out.append(text.substr(at));
}

std::string upper(std::string_view text) { return mapped(text, append_upper); }
std::string lower(std::string_view text) { return mapped(text, append_lower); }

std::string capitalized(std::string_view text) {
  bool first = true;
  return mapped(text, [&](uint32_t code, std::string& out) {
    first ? append_title(code, out) : append_lower(code, out);
    first = false;
  });
}

std::string titled(std::string_view text) {
  bool inside = false;  // of a word
  return mapped(text, [&](uint32_t code, std::string& out) {
    inside ? append_lower(code, out) : append_title(code, out);
    inside = is_cased(code);
  });
}

std::string swapped_case(std::string_view text) {
  return mapped(text, [](uint32_t code, std::string& out) {
    is_upper(code) ? append_lower(code, out) : append_upper(code, out);
  });
}

bool all_characters(std::string_view text, bool (*is)(uint32_t)) {
  for (const char *at = text.data(), *end = at + text.size(); at < end;)
    if (!is(next_code_point(at))) return false;
  return !text.empty();
}

bool is_letter(uint32_t code) { return class_of_code_point(code) == CharacterClass::kLetter; }
bool is_digit(uint32_t code) { return category(code) == UTF8PROC_CATEGORY_ND; }
bool is_letter_or_number(uint32_t code) {
  CharacterClass kind = class_of_code_point(code);
  return kind == CharacterClass::kLetter || kind == CharacterClass::kNumber;
}
bool is_upper(uint32_t code) { return category(code) == UTF8PROC_CATEGORY_LU; }
bool is_lower(uint32_t code) { return category(code) == UTF8PROC_CATEGORY_LL; }

std::optional<int64_t> parse_whole(std::string_view text, int64_t base) {
  check(base == 0 || (base >= 2 && base <= 36), "int() base must be >= 2 and <= 36, or 0");
  text = strip(text, std::nullopt, true, true);
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.size() > 2 && text[0] == '0') {
    const char letter = static_cast<char>(std::tolower(static_cast<unsigned char>(text[1])));
    const int64_t named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (named != 0 && (base == 0 || base == named)) base = named, text.remove_prefix(text[2] == '_' ? 3 : 2);
  }
  std::optional<std::string> digits = without_underscores(text);
  if (!digits || digits->empty() || !std::isalnum(static_cast<unsigned char>(digits->front()))) return std::nullopt;
  if (base == 0 && digits->size() > 1 && digits->front() == '0') return std::nullopt;
  if (negative) digits->insert(0, "-");
  int64_t value = 0;
  auto [end, error] =
      std::from_chars(digits->data(), digits->data() + digits->size(), value, static_cast<int>(base == 0 ? 10 : base));
  if (end != digits->data() + digits->size() || error == std::errc::invalid_argument) return std::nullopt;
  check(error == std::errc(), "wanted an integer of 64 bits, found ", *digits);
  return value;
}

std::optional<double> parse_real(std::string_view text) {
  text = strip(text, std::nullopt, true, true);
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  std::string word = lower(text);
  double value = 0;
  if (word == "nan") {
    value = std::numeric_limits<double>::quiet_NaN();
  } else if (word == "inf" || word == "infinity") {
    value = std::numeric_limits<double>::infinity();
  } else {
    std::optional<std::string> digits = without_underscores(text);
    bool is_number = digits && !digits->empty() &&
                     (std::isdigit(static_cast<unsigned char>(digits->front())) || digits->front() == '.');
    if (!is_number) return std::nullopt;
    auto [end, error] = std::from_chars(digits->data(), digits->data() + digits->size(), value);
    if (error == std::errc::result_out_of_range) value = std::strtod(digits->c_str(), nullptr);
    if (end != digits->data() + digits->size() || error == std::errc::invalid_argument) return std::nullopt;
  }
  return negative ? -value : value;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '\'': out += "&#39;"; break;
      case '"': out += "&#34;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace longhaul::jinja
