// The definition: -log softmax(l)[target], l = cap tanh(scale (x w + b) / cap). The cap: Gemma 2 (arXiv 2408.00118), section 2.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

namespace longhaul::ref {

template <class S>
struct Head {
  int64_t vocabulary, width;
  const S* weight;  // [V, C]
  const S* bias;    // [V] or null
  S scale, soft_cap;

  // Logits of one row x [C], and, unless null, their derivatives by x w.
  std::vector<S> logits(const S* x, std::vector<S>* slopes = nullptr) const {
    std::vector<S> out(vocabulary);
    if (slopes) slopes->resize(vocabulary);
    for (int64_t v = 0; v < vocabulary; ++v) {
      S sum = bias ? bias[v] : 0;
      for (int64_t c = 0; c < width; ++c) sum += x[c] * weight[v * width + c];
      const S tanh = soft_cap > 0 ? std::tanh(scale * sum / soft_cap) : 0;
      out[v] = soft_cap > 0 ? soft_cap * tanh : scale * sum;
      if (slopes) (*slopes)[v] = scale * (1 - tanh * tanh);
    }
    return out;
  }
};

template <class S>
S log_sum_exp(const std::vector<S>& logits) {
  S largest = logits[0], sum = 0;
  for (S logit : logits) largest = std::max(largest, logit);
  for (S logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

// Log-probability of the target and the number of larger logits.
template <class S>
S score(const Head<S>& head, const S* x, int64_t target, int64_t* rank) {
  const std::vector<S> logits = head.logits(x);
  *rank = 0;
  for (S logit : logits) *rank += logit > logits[target];
  return logits[target] - log_sum_exp(logits);
}

// Adds one token's share of the loss's gradients: dx [C] is set, dweight [V, C] and dbias [V] are added to. Returns its loss.
template <class S>
S loss_backward(const Head<S>& head, const S* x, int64_t target, S* dx, S* dweight, S* dbias) {
  std::vector<S> slopes;
  const std::vector<S> logits = head.logits(x, &slopes);
  const S log_sum = log_sum_exp(logits);
  for (int64_t c = 0; c < head.width; ++c) dx[c] = 0;
  for (int64_t v = 0; v < head.vocabulary; ++v) {
    const S gradient = (std::exp(logits[v] - log_sum) - (v == target)) * slopes[v];
    dbias[v] += gradient;
    for (int64_t c = 0; c < head.width; ++c) {
      dx[c] += gradient * head.weight[v * head.width + c];
      dweight[v * head.width + c] += gradient * x[c];
    }
  }
  return log_sum - logits[target];
}

}  // namespace longhaul::ref
