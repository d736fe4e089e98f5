// The definition of FIRE's bias (arXiv 2310.04418, equation 5 and appendix), one query and key at a time.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

namespace longhaul::ref {

template <class S>
struct FireNetwork {
  S c, reach;
  std::vector<S> weight0, bias0;  // [hidden]
  std::vector<S> weight2, bias2;  // [H, hidden], [H]
};

// One bias a head.
template <class S>
std::vector<S> fire(const FireNetwork<S>& net, S distance, S position) {
  const S reach = std::max(position, std::abs(net.reach));
  const S r = std::log(std::abs(net.c * distance) + 1) / (std::log(std::abs(net.c * reach) + 1) + S(1e-6));
  std::vector<S> out = net.bias2;
  for (size_t u = 0; u < net.bias0.size(); ++u) {
    const S hidden = std::max(net.weight0[u] * r + net.bias0[u], S(0));
    for (size_t h = 0; h < out.size(); ++h) out[h] += net.weight2[h * net.bias0.size() + u] * hidden;
  }
  return out;
}

}  // namespace longhaul::ref
