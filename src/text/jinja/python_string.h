// What Python's str can do, on UTF-8. All texts must be UTF-8; positions and lengths are in code points.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace longhaul::jinja {

int64_t count_characters(std::string_view text);
// The byte at which character `index` begins; the size of the text for the index behind the last.
size_t byte_of(const Text& text, int64_t index);
std::string_view characters(const Text& text, int64_t begin, int64_t end);  // [begin, end), inside the text

bool is_space(uint32_t code_point);  // str.isspace
bool is_printable(uint32_t code_point);
// Removes white space, or the characters of `set`.
std::string_view strip(std::string_view text, std::optional<std::string_view> set, bool left, bool right);

// str.split and str.rsplit: at white space without a separator; `most` < 0: all. Error for an empty separator.
using Parts = std::vector<std::string>;
Parts split_text(std::string_view text, std::optional<std::string_view> separator, int64_t most, Budget& budget);
Parts split_text_right(std::string_view text, std::optional<std::string_view> separator, int64_t most, Budget& budget);
Parts split_lines(std::string_view text, bool keep_ends, Budget& budget);
// The byte where `part` begins, first or last; npos: nowhere. The first in linear time; the last, which is not, is charged for.
size_t find_text(std::string_view text, std::string_view part, size_t from = 0);
size_t find_last_text(std::string_view text, std::string_view part, Budget& budget);
std::string replaced(std::string_view text, std::string_view old, std::string_view with, int64_t most, Budget& budget);

// Case mappings of one character to one (Unicode's simple ones), and of the Latin letters whose capitals are two (ß).
std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalized(std::string_view text);
std::string titled(std::string_view text);  // str.title
std::string swapped_case(std::string_view text);

// Whether there are characters and all are: letters, digits, ...
bool all_characters(std::string_view text, bool (*is)(uint32_t));
bool is_letter(uint32_t code_point);
bool is_digit(uint32_t code_point);
bool is_letter_or_number(uint32_t code_point);
bool is_upper(uint32_t code_point);
bool is_lower(uint32_t code_point);

// int(text, base) and float(text); nothing when Python would say ValueError. Error for an integer beyond 64 bits.
std::optional<int64_t> parse_whole(std::string_view text, int64_t base);
std::optional<double> parse_real(std::string_view text);
std::string escaped(std::string_view text);  // for HTML

}  // namespace longhaul::jinja
