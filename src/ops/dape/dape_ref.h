// The definition of DAPE's network (arXiv 2405.14722, equation 4) for one pair.
#pragma once
#include <cstddef>
#include <vector>

namespace longhaul::ref {

template <class S>
struct DapeNetwork {
  std::vector<S> weight0, bias0, weight2, bias2;  // [hidden, 2 H], [hidden], [H, hidden], [H]
};

// logits, bias [H] of the pair.
template <class S>
std::vector<S> dape(const DapeNetwork<S>& net, const std::vector<S>& logits, const std::vector<S>& bias,
                    bool adds_bias) {
  const size_t heads = logits.size(), hidden = net.bias0.size();
  std::vector<S> out(heads);
  for (size_t h = 0; h < heads; ++h) out[h] = logits[h] + (adds_bias ? bias[h] : S(0)) + net.bias2[h];
  for (size_t u = 0; u < hidden; ++u) {
    S x = net.bias0[u];
    for (size_t h = 0; h < heads; ++h)
      x += net.weight0[u * 2 * heads + h] * logits[h] + net.weight0[u * 2 * heads + heads + h] * bias[h];
    if (x < 0) x *= S(0.01);
    for (size_t h = 0; h < heads; ++h) out[h] += net.weight2[h * hidden + u] * x;
  }
  return out;
}

}  // namespace longhaul::ref
