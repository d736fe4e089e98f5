// What the op makes of a case of attention_case.h.
#pragma once
#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "ops/attention/attention.h"
#include "ops/attention_case.h"

namespace longhaul::testing {

inline Tensor tensor_of(const std::vector<double>& x, at::IntArrayRef shape, at::ScalarType dtype) {
  return at::from_blob(const_cast<double*>(x.data()), shape, at::kDouble).to(dtype, false, true);
}
inline std::vector<double> values_of(const Tensor& x) {
  const Tensor y = x.detach().to(at::kDouble).contiguous();
  return {y.const_data_ptr<double>(), y.const_data_ptr<double>() + y.numel()};
}

struct Outcome {
  Tensor out, dq, dk, dv, dtable, dg, ds, ddense;
};

struct Inputs {
  Tensor q, k, v, table, g, s, dense;
  Inputs(const Case& c, at::ScalarType dtype) {
    const auto& r = c.ref;
    q = tensor_of(r.q, {c.tokens, r.heads, r.head_dim}, dtype).requires_grad_(true);
    k = tensor_of(r.k, {c.keys, r.kv_heads, r.head_dim}, dtype).requires_grad_(true);
    v = tensor_of(r.v, {c.keys, r.kv_heads, r.head_dim}, dtype).requires_grad_(true);
    const auto parameters = dtype == at::kDouble ? at::kDouble : at::kFloat;
    if (!r.table.empty()) table = tensor_of(r.table, {r.heads, c.shape.table_length}, parameters).requires_grad_(true);
    if (!r.g.empty()) g = tensor_of(r.g, {c.tokens, r.heads}, parameters).requires_grad_(true);
    if (!r.s.empty()) s = tensor_of(r.s, {c.keys, r.heads}, at::kDouble).requires_grad_(true);
    if (!r.dense.empty()) dense = tensor_of(r.dense, {r.heads, c.tokens, c.keys}, parameters).requires_grad_(true);
  }
  Bias bias(const Case& c) const {
    switch (c.ref.form) {
      case BiasForm::distance: return DistanceBias{table};
      case BiasForm::separable: return SeparableBias{g, s};
      case BiasForm::kernel: return SeparableKernel{g, s};
      case BiasForm::dense:
        return RowBlockBias{{dense},
                            [spans = c.ref.spans](const auto& inputs, int64_t b, int64_t i0, int64_t i1, int64_t keys) {
                              const int64_t row = spans.query_offsets[static_cast<size_t>(b)];
                              return inputs[0].slice(1, row + i0, row + i1).slice(2, 0, keys);
                            }};
      default: return {};
    }
  }
};

inline AttentionOptions options_of(const Case& c) {
  AttentionOptions options;
  options.scale = c.ref.scale, options.causal = c.ref.causal, options.window = c.ref.window;
  options.soft_cap = c.ref.soft_cap;
  if (!c.ref.row_scale.empty()) options.row_scale = tensor_of(c.ref.row_scale, {c.tokens}, at::kDouble);
  return options;
}

inline Outcome run(const Case& c, at::ScalarType dtype, const AttentionOptions& options) {
  const Inputs x(c, dtype);
  Outcome result;
  result.out = attention(x.q, x.k, x.v, c.ref.spans, x.bias(c), options);
  const Tensor dout = tensor_of(c.dout, {c.tokens, c.ref.heads, c.ref.head_dim}, dtype);
  torch::autograd::backward({result.out}, {dout});
  result.dq = x.q.grad(), result.dk = x.k.grad(), result.dv = x.v.grad();
  if (x.table.defined()) result.dtable = x.table.grad();
  if (x.g.defined()) result.dg = x.g.grad();
  if (x.s.defined()) result.ds = x.s.grad();
  if (x.dense.defined()) result.ddense = x.dense.grad();
  return result;
}

}  // namespace longhaul::testing
