#include "base/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "support.h"

namespace longhaul {
namespace {

// The known-answer vectors of philox4x32-10 published with Random123 (Salmon et al., SC 2011).
TEST(Rng, PhiloxGivesThePublishedVectors) {
  using Block = std::array<uint32_t, 4>;
  const uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({ones, ones, ones, ones}, {ones, ones}), (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, StreamNamesAreFnv1a) {
  EXPECT_EQ(stream_of(""), 0xcbf29ce484222325);
  EXPECT_EQ(stream_of("a"), 0xaf63dc4c8601ec8c);
  EXPECT_EQ(stream_of("foobar"), 0x85944171f73967e8);
}

TEST(Rng, EqualStartsGiveEqualSequencesAndAnyDifferenceAnother) {
  auto first = [](uint64_t seed, uint64_t stream, uint64_t index) { return Rng(seed, stream, index).bits64(); };
  Rng a(1, 2, 3), b(1, 2, 3);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.bits(), b.bits());
  std::set<uint64_t> seen;
  for (uint64_t high : {0ull, 1ull << 32, 1ull << 63}) {
    for (uint64_t low = 0; low < 4; ++low) {
      seen.insert(first(high + low, 9, 9));
      seen.insert(first(9, high + low, 9));
      seen.insert(first(9, 9, high + low));
    }
  }
  EXPECT_EQ(seen.size(), 36u);
}

// Moments within five standard errors: with fixed seeds a failure is a fault, not chance.
TEST(Rng, UniformAndNormalHaveTheirMoments) {
  const int n = 200'000;
  Rng rng(5, stream_of("moments"));
  double uniform = 0, uniform_squares = 0, normal = 0, squares = 0, fourth = 0;
  for (int i = 0; i < n; ++i) {
    double u = rng.uniform(), z = rng.normal();
    ASSERT_TRUE(0 <= u && u < 1);
    uniform += u / n;
    uniform_squares += u * u / n;
    normal += z / n;
    squares += z * z / n;
    fourth += z * z * z * z / n;
  }
  EXPECT_NEAR(uniform, 0.5, 5 * std::sqrt(1 / 12. / n));
  EXPECT_NEAR(uniform_squares, 1 / 3., 5 * std::sqrt(4 / 45. / n));
  EXPECT_NEAR(normal, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(squares, 1, 5 * std::sqrt(2. / n));
  EXPECT_NEAR(fourth, 3, 5 * std::sqrt(96. / n));
}

TEST(Rng, BelowIsInRangeAndEven) {
  Rng rng(1, 2);
  const int n = 60'000, bound = 6;
  std::vector<double> counts(bound);
  for (int i = 0; i < n; ++i) counts.at(rng.below(bound)) += 1;
  double expected = double{n} / bound, chi_square = 0;
  for (double count : counts) chi_square += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi_square, 20.5);  // 0.999 quantile of 5 degrees of freedom
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(rng.below(1), 0u);
    EXPECT_LT(rng.below((uint64_t{1} << 63) + 1), (uint64_t{1} << 63) + 1);
  }
  EXPECT_NE(error_of([&] { rng.below(0); }), "no error");
}

void expect_bijection(uint64_t n, uint64_t seed, uint64_t stream) {
  std::vector<char> hit(n);
  for (uint64_t i = 0; i < n; ++i) {
    uint64_t at = permuted(i, n, seed, stream);
    ASSERT_LT(at, n);
    ASSERT_FALSE(hit[at]) << "n " << n << ": " << at << " twice";
    hit[at] = 1;
  }
}

TEST(Rng, PermutedIsABijection) {
  for (uint64_t n = 1; n <= 70; ++n) {
    for (uint64_t seed : {0ull, 1ull, ~0ull}) expect_bijection(n, seed, n * 7);
  }
  for (uint64_t n : {255, 256, 257, 1000, 1023, 1024, 1025, 4097, 20'000}) expect_bijection(n, 3, 4);
  EXPECT_NE(error_of([] { permuted(5, 5, 0, 0); }), "no error");
  EXPECT_NE(error_of([] { permuted(0, 0, 0, 0); }), "no error");
}

TEST(Rng, PermutedOfHugeRangesStaysInside) {
  for (uint64_t n : {(uint64_t{1} << 62) + 1, ~uint64_t{0}}) {
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < 200; ++i) seen.insert(permuted(n - 1 - i, n, 1, 1));
    EXPECT_EQ(seen.size(), 200u);
    EXPECT_LT(*seen.rbegin(), n);
  }
}

TEST(Rng, PermutedSpreadsNeighboursAndDependsOnSeedAndStream) {
  const uint64_t n = 20'000;
  double distance = 0;
  int fixed = 0, same_seed = 0, same_stream = 0;
  for (uint64_t i = 0; i + 1 < n; ++i) {
    uint64_t here = permuted(i, n, 1, 1), next = permuted(i + 1, n, 1, 1);
    distance += std::abs(static_cast<double>(here) - static_cast<double>(next)) / (n - 1);
    fixed += here == i;
    same_seed += here == permuted(i, n, 2, 1);
    same_stream += here == permuted(i, n, 1, 2);
  }
  EXPECT_NEAR(distance, n / 3., n / 100.);  // of two uniform positions: n/3, standard deviation of the mean n/600
  EXPECT_LT(fixed, 10);                     // expected 1
  EXPECT_LT(same_seed, 10);
  EXPECT_LT(same_stream, 10);
}

// Over seeds, each of the 24 orders of 4 things is as likely as the others.
TEST(Rng, PermutedReachesEveryOrderEvenly) {
  const int seeds = 9'600;
  std::map<std::vector<uint64_t>, double> counts;
  for (int seed = 0; seed < seeds; ++seed) {
    std::vector<uint64_t> order;
    for (uint64_t i = 0; i < 4; ++i) order.push_back(permuted(i, 4, static_cast<uint64_t>(seed), 0));
    counts[order] += 1;
  }
  EXPECT_EQ(counts.size(), 24u);
  double expected = seeds / 24., chi_square = 0;
  for (const auto& [order, count] : counts) chi_square += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi_square, 49.7);  // 0.999 quantile of 23 degrees of freedom
}

}  // namespace
}  // namespace longhaul
