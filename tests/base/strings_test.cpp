#include "base/strings.h"

#include <gtest/gtest.h>

#include "support.h"

namespace longhaul {
namespace {

using Parts = std::vector<std::string>;

TEST(Strings, SplitKeepsEmptyPiecesAndJoinUndoesIt) {
  EXPECT_EQ(split("", ','), Parts{});
  EXPECT_EQ(split("a", ','), Parts{"a"});
  EXPECT_EQ(split("a,,b,", ','), (Parts{"a", "", "b", ""}));
  EXPECT_EQ(join(split("a,,b,", ','), ","), "a,,b,");
  EXPECT_EQ(join({}, ", "), "");
}

TEST(Strings, Trim) {
  EXPECT_EQ(trim("  a b\t\n"), "a b");
  EXPECT_EQ(trim(" \t "), "");
  EXPECT_EQ(trim(""), "");
}

TEST(Strings, NearestSuggestsSlipsOnly) {
  const Parts known = {"rope", "alibi", "cable", "nope", "sinusoidal"};
  EXPECT_EQ(nearest("rpoe", known), "rope");
  EXPECT_EQ(nearest("cabel", known), "cable");
  EXPECT_EQ(nearest("sinusiodal", known), "sinusoidal");
  EXPECT_EQ(nearest("fire", known), "");
  EXPECT_EQ(nearest("x", known), "");
  EXPECT_EQ(nearest(std::string(1'000'000, 'x'), known), "");
  EXPECT_EQ(did_you_mean("aliby", known), " (did you mean 'alibi'?)");
  EXPECT_EQ(did_you_mean("zzz", known), "");
}

TEST(Strings, NumbersForPeople) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(1234567), "1,234,567");
  EXPECT_EQ(with_commas(-123456), "-123,456");
  EXPECT_EQ(with_commas(INT64_MIN), "-9,223,372,036,854,775,808");
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(1024. * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(1.5 * 1024 * 1024 * 1024), "1.5 GiB");
  EXPECT_EQ(human_duration(0.25), "0.2s");
  EXPECT_EQ(human_duration(59.4), "59s");
  EXPECT_EQ(human_duration(59.6), "1m 00s");
  EXPECT_EQ(human_duration(125), "2m 05s");
  EXPECT_EQ(human_duration(3600 * 27 + 61), "27h 01m");
}

TEST(Strings, ParseNumbersTakesTheWholeTextOrFails) {
  EXPECT_EQ(parse_integer("-42", "n"), -42);
  EXPECT_EQ(parse_integer("9223372036854775807", "n"), INT64_MAX);
  EXPECT_EQ(parse_number("1e-3", "x"), 1e-3);
  EXPECT_EQ(parse_number("-2.5", "x"), -2.5);
  EXPECT_EQ(error_of([] { parse_integer("4x", "--steps"); }), "--steps: wanted an integer, found '4x'");
  for (const char* bad : {"", " 4", "4.0", "0x10", "9223372036854775808", "+4"}) {
    EXPECT_NE(error_of([&] { parse_integer(bad, "n"); }), "no error") << bad;
  }
  for (const char* bad : {"", "1e999", "inf", "nan", "1,5", "1.5f"}) {
    EXPECT_NE(error_of([&] { parse_number(bad, "x"); }), "no error") << bad;
  }
}

TEST(Strings, LengthSuffixesAreBinaryInSmallAndDecimalInCapitalLetters) {
  EXPECT_EQ(parse_length("4096", "n"), 4096);
  EXPECT_EQ(parse_length("4k", "n"), 4096);
  EXPECT_EQ(parse_length("4K", "n"), 4000);
  EXPECT_EQ(parse_length("1m", "n"), 1048576);
  EXPECT_EQ(parse_length("1M", "n"), 1000000);
  EXPECT_EQ(parse_length("0", "n"), 0);
  EXPECT_EQ(error_of([] { parse_length("4x", "--seq-len"); }),
            "--seq-len: wanted a length such as 4096, 4k (4,096) or 4K (4,000), found '4x'");
  for (const char* bad : {"", "k", "-1", "-4k", "1.5k", "4kk", "9223372036854775807k", " 4k"}) {
    EXPECT_NE(error_of([&] { parse_length(bad, "n"); }), "no error") << bad;
  }
}

TEST(Strings, LengthLists) {
  EXPECT_EQ(parse_lengths("512,1k,4k", "n"), (std::vector<int64_t>{512, 1024, 4096}));
  EXPECT_EQ(parse_lengths("512, 1k", "n"), (std::vector<int64_t>{512, 1024}));
  for (const char* bad : {"", ",", "512,", "512,,1k", "0", "512,0"}) {
    EXPECT_NE(error_of([&] { parse_lengths(bad, "n"); }), "no error") << bad;
  }
}

TEST(Strings, FormatLengthIsTheShortestSpellingThatReadsBack) {
  EXPECT_EQ(format_length(4096), "4k");
  EXPECT_EQ(format_length(1048576), "1m");
  EXPECT_EQ(format_length(1536 * 1024), "1536k");
  EXPECT_EQ(format_length(1000), "1000");
  EXPECT_EQ(format_length(0), "0");
  for (int64_t length = 1; length < (int64_t{1} << 60); length += length / 2 + 1) {
    EXPECT_EQ(parse_length(format_length(length), "n"), length);
    EXPECT_EQ(parse_length(format_length(length / 1024 * 1024), "n"), length / 1024 * 1024);
  }
}

}  // namespace
}  // namespace longhaul
