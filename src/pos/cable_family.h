// What the CABLE encodings share (specs/cable.md section 1; arXiv 2503.08067): a running sum S of increments read off the
// hidden states, and the bias g_i (S_i - S_j), or a kernel of the difference.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "pos/encoding.h"

namespace longhaul {

// One row of the spec's table of variants (section 0).
struct CableVariant {
  std::string name;                              // the value of variant=
  bool relu;                                     // increments: ReLU(h); otherwise softplus(h)
  bool weighted;                                 // g_i = softplus(s_i); otherwise 1
  bool smoothed;                                 // S replaced by causal block means per head
  enum class Scale { head, model, none } scale;  // of q.k: 1/sqrt(head size), 1/sqrt(width), 1
  bool rewards = false;                          // the bias with the wrong sign
};

class CableFamily : public Encoding {
 public:
  // `kernel`: the bias is g_i k(S_i - S_j) with k(u) = -ln(1 + u^2) (K-CABLE).
  CableFamily(const CableVariant& variant, bool kernel, const EncodingContext& context);

  Bias bias(int64_t layer, const AttentionCall& call) const override;
  double qk_scale(int64_t head_dim) const override;
  bool reads_input() const override { return true; }
  bool key_channel() const override { return true; }
  // "zero_increments": the share of tokens whose increment is exactly 0. A head where it reaches 1 is dead: no decay, no
  // gradient (specs/cable.md pitfall 17).
  std::vector<Reading> readings(int64_t layer, const AttentionCall& call) const override;
  Traits traits() const override;

  // a_t >= 0 [T, H]: what the running sum of this layer grows by at each token of x [T, C].
  Tensor increments(int64_t layer, const Tensor& x) const;

 private:
  struct Layer {
    Tensor step_weight, step_bias, gain_weight, gain_bias;  // W_h, b_h and, when weighted, W_s, b_s: [H, C], [H]
  };
  Tensor sums(const Tensor& increments, const AttentionCall& call) const;

  CableVariant variant_;
  bool kernel_;
  int64_t width_;
  std::vector<Layer> layers_;
};

// variants.front() is the default of `variant=`.
std::unique_ptr<Encoding> make_cable(Spec& spec, const std::vector<CableVariant>& variants, bool kernel,
                                     const EncodingContext& context);

// cable5/7's smoothing: head n of S [T, H] in blocks of floor(sqrt(2)^n) tokens; each full block holds the mean of the block
// before it (the first holds 0), the tail keeps S. Per sequence. Differentiable.
Tensor block_means(const Tensor& sums, const std::vector<int64_t>& offsets);

}  // namespace longhaul
