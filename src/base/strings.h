// Small text helpers that the standard library lacks.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace longhaul {

// Splits at every `separator`; "" gives {}. Empty pieces in the middle are kept.
std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);

// The candidate nearest to `wrong` by edit distance, or "" when none is near enough to be worth suggesting.
std::string nearest(std::string_view wrong, const std::vector<std::string>& candidates);
// " (did you mean 'rope'?)", or "" without a near candidate.
std::string did_you_mean(std::string_view wrong, const std::vector<std::string>& candidates);

// Numbers for people: 1234567 -> "1,234,567"; bytes -> "1.5 GiB"; seconds -> "2m 05s".
std::string with_commas(int64_t n);
std::string human_bytes(double bytes);
std::string human_duration(double seconds);

// Whole-string parses; Error "<what>: wanted ..., found '...'" otherwise.
int64_t parse_integer(std::string_view text, std::string_view what);
double parse_number(std::string_view text, std::string_view what);

// Lengths: "4096", "4k" = 4,096, "1m" = 1,048,576 (binary); "4K" = 4,000, "1M" = 1,000,000 (decimal).
int64_t parse_length(std::string_view text, std::string_view what);
// "512,1k,4k" -> {512, 1024, 4096}; at least one, each > 0.
std::vector<int64_t> parse_lengths(std::string_view text, std::string_view what);
// 4096 -> "4k", 1000 -> "1000", 1048576 -> "1m": the shortest spelling that parse_length reads back.
std::string format_length(int64_t length);

}  // namespace longhaul
