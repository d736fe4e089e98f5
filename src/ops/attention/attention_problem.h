// One checked attention call in the form that the implementations share. Private to ops/attention.
#pragma once
#include <torch/custom_class.h>

#include <functional>
#include <vector>

#include "ops/attention/attention.h"

namespace longhaul {

enum class BiasKind { none, distance, separable, kernel, rows };

// Everything that is no differentiable tensor. (A custom class holder, so that an autograd node can keep it.)
struct AttentionProblem : torch::CustomClassHolder {
  AttentionSpans spans;
  AttentionOptions options;
  BiasKind bias = BiasKind::none;
  KernelFn kernel = KernelFn::neg_log1p_square;
  BiasRows rows;
  // Of a range (ranged_attention.h): only keys with i - j >= nearest are seen, and of them only those with j < first_keys (0: all).
  int64_t nearest = 0, first_keys = 0;

  int64_t sequences() const { return static_cast<int64_t>(spans.key_begin.size()); }
  int64_t queries(int64_t b) const { return spans.query_offsets[b + 1] - spans.query_offsets[b]; }
  int64_t keys(int64_t b) const { return spans.key_end[b] - spans.key_begin[b]; }
  // Row of k and v that holds key j of sequence b.
  int64_t key_row(int64_t b, int64_t j) const {
    if (!spans.pages) return spans.key_begin[b] + j;
    return (*spans.pages)[b][j / kPageRows] * kPageRows + j % kPageRows;
  }
  // Index, in its whole sequence, of the first query of sequence b; negative when there are fewer keys than queries.
  int64_t first_query(int64_t b) const { return keys(b) - queries(b); }
  // Keys [begin, end) of sequence b that queries of index i0 .. i1 - 1 may see together.
  int64_t first_key(int64_t i0) const { return options.window > 0 ? std::max<int64_t>(0, i0 - options.window + 1) : 0; }
  int64_t last_key(int64_t b, int64_t i1) const {
    const int64_t end = options.causal ? std::min(keys(b), i1 - nearest) : keys(b);
    return std::max<int64_t>(0, first_keys > 0 ? std::min(end, first_keys) : end);
  }
};

// The differentiable tensors. `bias` holds {} | {table} | {s} or {s, g} | the inputs of the rows.
struct AttentionTensors {
  Tensor q, k, v;
  std::vector<Tensor> bias;
};

// What backward needs beside the inputs. lse [H, T]: logarithm of each row's sum of exponentials, in the unit and dtype of
// the implementation that made it; +infinity or a huge number for a query without keys.
struct AttentionResult {
  Tensor out;  // [T, H, D]
  Tensor lse;
};

// In the dtypes of the inputs; undefined where not needed.
struct AttentionNeeds {
  bool q = false, k = false, v = false;
  std::vector<bool> bias;
};

struct CheckedAttention {
  c10::intrusive_ptr<AttentionProblem> problem;
  AttentionTensors tensors;
};
// Checks a call and sorts its tensors. Error for shapes that do not fit.
CheckedAttention checked_call(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpans& spans,
                              const Bias& bias, const AttentionOptions& options);

// Whether the kernels of ours take queries of this device and dtype.
bool is_fused(const Tensor& q);
// One softmax over the pairs of all these calls, which share v and do not overlap: [T, H, D], with gradients. A bias goes with a
// single call only.
Tensor run_attention(const std::vector<CheckedAttention>& ranges);

}  // namespace longhaul
