#include "base/rng.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace longhaul {

namespace {

std::array<uint32_t, 2> halves(uint64_t word) {
  return {static_cast<uint32_t>(word), static_cast<uint32_t>(word >> 32)};
}

uint64_t whole(uint32_t low, uint32_t high) { return uint64_t{high} << 32 | low; }

// The key of one stream: a Philox block of its own, so that all 128 bits of (seed, stream) decide it.
std::array<uint32_t, 2> stream_key(uint64_t seed, uint64_t stream) {
  auto [low, high] = halves(stream);
  auto block = philox({low, high, 0, 0}, halves(seed));
  return {block[0], block[1]};
}

}  // namespace

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  constexpr int kRounds = 10;
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;  // golden ratio, sqrt(3) - 1
  for (int round = 0; round < kRounds; ++round) {
    auto [low0, high0] = halves(kMultiplier0 * counter[0]);
    auto [low1, high1] = halves(kMultiplier1 * counter[2]);
    counter = {high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

Rng::Rng(uint64_t seed, uint64_t stream, uint64_t index) : key_(stream_key(seed, stream)), index_(index) {}

uint32_t Rng::bits() {
  if (left_ == 0) {
    auto [block_low, block_high] = halves(block_++);
    auto [index_low, index_high] = halves(index_);
    buffer_ = philox({block_low, block_high, index_low, index_high}, key_);
    left_ = 4;
  }
  return buffer_[4 - left_--];
}

uint64_t Rng::bits64() {
  uint32_t low = bits();
  return whole(low, bits());
}

double Rng::uniform() { return static_cast<double>(bits64() >> 11) * 0x1p-53; }

double Rng::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  double radius = std::sqrt(-2 * std::log(1 - uniform()));  // 1 - u is in (0, 1]: the logarithm is finite
  double angle = 2 * std::numbers::pi * uniform();
  spare_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

// Lemire, "Fast random integer generation in an interval" (2019): the high word of bits * bound, redrawn where the low
// word falls into the part that would make some values likelier.
uint64_t Rng::below(uint64_t bound) {
  check(bound > 0, "random number below a bound: wanted a bound > 0, found 0");
  const uint64_t uneven = -bound % bound;  // 2^64 mod bound
  for (;;) {
    auto product = static_cast<unsigned __int128>(bits64()) * bound;
    if (static_cast<uint64_t>(product) >= uneven) return static_cast<uint64_t>(product >> 64);
  }
}

uint64_t stream_of(std::string_view name) {
  uint64_t hash = 0xCBF29CE484222325;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

uint64_t permuted(uint64_t i, uint64_t n, uint64_t seed, uint64_t stream) {
  constexpr uint32_t kRounds = 8;
  check(i < n, "shuffled order of ", n, ": wanted a position below it, found ", i);
  const int half_bits = (std::bit_width(n - 1) + 1) / 2;
  const auto mask = static_cast<uint32_t>((uint64_t{1} << half_bits) - 1);
  const auto key = stream_key(seed, stream);
  // The network is a bijection of [0, 4^half_bits); following its cycle until it is back below n is one of [0, n).
  do {
    auto left = static_cast<uint32_t>(i >> half_bits), right = static_cast<uint32_t>(i) & mask;
    for (uint32_t round = 0; round < kRounds; ++round) {
      uint32_t mixed = left ^ (philox({right, round, 0, 1}, key)[0] & mask);
      left = right;
      right = mixed;
    }
    i = uint64_t{left} << half_bits | right;
  } while (i >= n);
  return i;
}

}  // namespace longhaul
