#include "base/strings.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "base/error.h"

namespace longhaul {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  if (text.empty()) return parts;
  for (size_t begin = 0;;) {
    size_t end = text.find(separator, begin);
    parts.emplace_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += separator;
    text += parts[i];
  }
  return text;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

namespace {

// Edit distance where swapping two neighbours is one edit ("rpoe" is one slip away from "rope").
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  std::iota(above.begin(), above.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t substituted = above[j - 1] + (a[i - 1] != b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, substituted});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

}  // namespace

std::string nearest(std::string_view wrong, const std::vector<std::string>& candidates) {
  constexpr size_t kLongestWord = 64;  // nobody mistypes more, and the distance costs the product of the lengths
  if (wrong.size() > kLongestWord) return "";
  std::string best;
  size_t best_distance = std::max<size_t>(1, wrong.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongestWord) continue;
    size_t distance = edit_distance(wrong, candidate);
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view wrong, const std::vector<std::string>& candidates) {
  std::string best = nearest(wrong, candidates);
  return best.empty() ? "" : " (did you mean '" + best + "'?)";
}

std::string with_commas(int64_t n) {
  std::string digits = std::to_string(n);
  size_t first = n < 0 ? 1 : 0;
  for (size_t i = digits.size(); i > first + 3;) digits.insert(i -= 3, 1, ',');
  return digits;
}

std::string human_bytes(double bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  int unit = 0;
  // 1023.95 would print as 1024.0
  for (; std::abs(bytes) >= 1023.95 && unit < 5; ++unit) bytes /= 1024;
  char text[64];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
  return text;
}

std::string human_duration(double seconds) {
  char text[64];
  if (seconds < 10) {
    std::snprintf(text, sizeof text, "%.1fs", seconds);
    return text;
  }
  auto whole = static_cast<long long>(std::llround(std::min(seconds, 1e15)));
  if (whole < 60) {
    std::snprintf(text, sizeof text, "%llds", whole);
  } else if (whole < 3600) {
    std::snprintf(text, sizeof text, "%lldm %02llds", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%lldh %02lldm", whole / 3600, whole / 60 % 60);
  }
  return text;
}

namespace {

// from_chars of the whole of `text`; false when it is anything else or does not fit.
template <class Number>
bool parse_whole(std::string_view text, Number& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

int64_t parse_integer(std::string_view text, std::string_view what) {
  int64_t value = 0;
  check(parse_whole(text, value), what, ": wanted an integer, found '", text, "'");
  return value;
}

double parse_number(std::string_view text, std::string_view what) {
  double value = 0;
  check(parse_whole(text, value) && std::isfinite(value), what, ": wanted a finite number, found '", text, "'");
  return value;
}

namespace {

int64_t suffix_factor(char suffix) {
  switch (suffix) {
    case 'k': return int64_t{1} << 10;
    case 'm': return int64_t{1} << 20;
    case 'K': return 1'000;
    case 'M': return 1'000'000;
    default: return 1;
  }
}

}  // namespace

int64_t parse_length(std::string_view text, std::string_view what) {
  int64_t factor = text.empty() ? 1 : suffix_factor(text.back());
  std::string_view digits = factor == 1 ? text : text.substr(0, text.size() - 1);
  int64_t value = 0, length = 0;
  bool good = parse_whole(digits, value) && value >= 0 && !__builtin_mul_overflow(value, factor, &length);
  check(good, what, ": wanted a length such as 4096, 4k (4,096) or 4K (4,000), found '", text, "'");
  return length;
}

std::vector<int64_t> parse_lengths(std::string_view text, std::string_view what) {
  std::vector<int64_t> lengths;
  for (const std::string& part : split(text, ',')) {
    lengths.push_back(parse_length(trim(part), what));
    check(lengths.back() > 0, what, ": wanted lengths > 0, found '", part, "'");
  }
  check(!lengths.empty(), what, ": wanted at least one length, found none");
  return lengths;
}

// Binary suffixes only: a table that mixes 4k and 4K would be misread.
std::string format_length(int64_t length) {
  for (char suffix : {'m', 'k'}) {
    int64_t factor = suffix_factor(suffix);
    if (length != 0 && length % factor == 0) return std::to_string(length / factor) + suffix;
  }
  return std::to_string(length);
}

}  // namespace longhaul
