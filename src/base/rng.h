// Counter-based random numbers (Philox 4x32-10; Salmon et al., SC 2011): sample 17 is the same in any order, on any thread.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace longhaul {

// The 128 random bits of block `counter` under `key`.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// One independent sequence per (seed, stream, index).
class Rng {
 public:
  Rng(uint64_t seed, uint64_t stream, uint64_t index = 0);
  uint32_t bits();
  uint64_t bits64();
  double uniform();                // [0, 1), 53 bits
  double normal();                 // N(0, 1), Box-Muller
  uint64_t below(uint64_t bound);  // unbiased in [0, bound)

 private:
  std::array<uint32_t, 2> key_;
  uint64_t index_;
  uint64_t block_ = 0;
  std::array<uint32_t, 4> buffer_{};
  int left_ = 0;
  double spare_ = 0;
  bool has_spare_ = false;
};

// A stream number for a name ("init:transformer.wte.weight"): FNV-1a, the same on every machine.
uint64_t stream_of(std::string_view name);

// A pseudo-random bijection of [0, n) evaluated at i in O(1) memory: position i of the shuffled order.
// (Feistel network over the next power of four with cycle walking.)
uint64_t permuted(uint64_t i, uint64_t n, uint64_t seed, uint64_t stream);

}  // namespace longhaul
