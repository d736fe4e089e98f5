// ALiBi's slopes, for families that have a form of it of their own.
#pragma once
#include <cstdint>
#include <vector>

namespace longhaul {

// One for each head, by the authors' rule: 2^(-max n / P), n = 1 .. P, for the largest power of two P <= heads; then every second
// one of those for 2 P.
std::vector<double> alibi_slopes(int64_t heads, double max = 8);

}  // namespace longhaul
