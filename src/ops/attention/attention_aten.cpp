#include "ops/attention/attention_aten.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>

#include "base/error.h"
#include "ops/attention/attention_blocks.h"

namespace longhaul {
namespace {

constexpr int64_t kBlockElements = int64_t{1} << 22;  // logits of one block

class Composition {
 public:
  Composition(const AttentionProblem& problem, const AttentionTensors& x) : problem_(problem), x_(x) {
    dtype_ = x.q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    q_ = x.q.to(dtype_), k_ = x.k.to(dtype_), v_ = x.v.to(dtype_);
    heads_ = x.q.size(1), groups_ = x.k.size(1);
    if (problem.options.row_scale.defined()) row_scale_ = problem.options.row_scale.to(x.q.device(), dtype_);
  }

  AttentionResult forward() const {
    AttentionResult result{at::zeros(x_.q.sizes(), q_.options()),
                           at::full({heads_, q_.size(0)}, std::numeric_limits<double>::infinity(), q_.options())};
    for_each_block(problem_, kBlockElements / heads_, [&](const Block& block) {
      const Tensor logits = masked(capped(raw_logits(block)), bias_rows(block, x_.bias), block);
      Tensor lse = at::logsumexp(logits, -1);
      lse = at::where(lse == -std::numeric_limits<double>::infinity(), -lse, lse);
      rows_of(result.out, block).copy_(weigh(at::exp(logits - lse.unsqueeze(-1)), keys_of(v_, block)));
      columns_of(result.lse, block).copy_(lse);
    });
    result.out = result.out.to(x_.q.scalar_type());
    return result;
  }

  AttentionTensors backward(const AttentionResult& result, const Tensor& grad_out, const AttentionNeeds& needs) const {
    AttentionTensors grads{at::zeros_like(q_), at::zeros_like(k_), at::zeros_like(v_), {}};
    for (const Tensor& t : x_.bias) grads.bias.push_back(at::zeros_like(t));
    const Tensor out = result.out.to(dtype_), dout = grad_out.to(dtype_);
    for_each_block(problem_, kBlockElements / heads_, [&](const Block& block) {
      const Tensor raw = raw_logits(block);
      const Tensor y = capped(raw);
      const Tensor logits = masked(y, bias_rows(block, x_.bias), block);
      const Tensor p = at::exp(logits - columns_of(result.lse, block).unsqueeze(-1));
      const Tensor dout_block = rows_of(dout, block), out_block = rows_of(out, block);
      const Tensor dp = score(dout_block, keys_of(v_, block));
      const Tensor dlogits = p * (dp - (dout_block * out_block).sum(-1, true));
      keys_of(grads.v, block).add_(gather_keys(p, dout_block));
      Tensor draw = dlogits;
      const double cap = problem_.options.soft_cap;
      if (cap > 0) draw = draw * (1 - (y / cap).square());
      draw = draw * row_factor(block);
      rows_of(grads.q, block).add_(weigh(draw, keys_of(k_, block)));
      keys_of(grads.k, block).add_(gather_keys(draw, rows_of(q_, block)));
      add_bias_gradient(block, dlogits, needs.bias, grads.bias);
    });
    grads.q = grads.q.to(x_.q.scalar_type());
    grads.k = grads.k.to(x_.k.scalar_type());
    grads.v = grads.v.to(x_.v.scalar_type());
    return grads;
  }

 private:
  // [H, rows, D] view of a [T, H, D] tensor; [G, columns, D] view of a [S, G, D] one; [H, rows] view of a [H, T] one.
  Tensor rows_of(const Tensor& t, const Block& block) const {
    const int64_t base = problem_.spans.query_offsets[block.b];
    return t.slice(0, base + block.r0, base + block.r1).transpose(0, 1);
  }
  Tensor keys_of(const Tensor& t, const Block& block) const {
    const int64_t base = problem_.spans.key_begin[block.b];
    return t.slice(0, base + block.j0, base + block.j1).transpose(0, 1);
  }
  Tensor columns_of(const Tensor& t, const Block& block) const {
    const int64_t base = problem_.spans.query_offsets[block.b];
    return t.slice(1, base + block.r0, base + block.r1);
  }

  // Query heads of one key-value head are neighbours: [H, rows, n] <-> [G, (H / G) rows, n].
  Tensor grouped(const Tensor& t) const { return t.reshape({groups_, -1, t.size(2)}); }
  Tensor score(const Tensor& rows, const Tensor& keys) const {  // [H, rows, D] x [G, columns, D] -> [H, rows, columns]
    return at::matmul(grouped(rows), keys.transpose(1, 2)).view({heads_, rows.size(1), keys.size(1)});
  }
  Tensor weigh(const Tensor& weights,
               const Tensor& keys) const {  // [H, rows, columns] x [G, columns, D] -> [H, rows, D]
    return at::matmul(grouped(weights), keys).view({heads_, weights.size(1), keys.size(2)});
  }
  Tensor gather_keys(const Tensor& weights, const Tensor& rows) const {  // -> [G, columns, D]
    return at::matmul(grouped(weights).transpose(1, 2), grouped(rows));
  }

  // scale * row_scale of the block, [rows, 1] or [1].
  Tensor row_factor(const Block& block) const {
    if (!row_scale_.defined()) return at::full({1}, problem_.options.scale, q_.options());
    const int64_t base = problem_.spans.query_offsets[block.b];
    return row_scale_.slice(0, base + block.r0, base + block.r1).unsqueeze(1) * problem_.options.scale;
  }
  Tensor raw_logits(const Block& block) const {
    return score(rows_of(q_, block) * row_factor(block), keys_of(k_, block));
  }
  Tensor capped(const Tensor& raw) const {
    const double cap = problem_.options.soft_cap;
    return cap > 0 ? cap * at::tanh(raw / cap) : raw;
  }

  Tensor masked(const Tensor& logits, const Tensor& bias, const Block& block) const {
    const Tensor sum = bias.defined() ? logits + bias : logits, hidden = hidden_keys(problem_, block, q_.device());
    return hidden.defined() ? sum.masked_fill(hidden, -std::numeric_limits<double>::infinity()) : sum;
  }
  Tensor bias_rows(const Block& block, const std::vector<Tensor>& tensors) const {
    return bias_block(problem_, tensors, heads_, block, dtype_);
  }

  void add_bias_gradient(const Block& block, const Tensor& dlogits, const std::vector<bool>& needed,
                         std::vector<Tensor>& grads) const {
    if (std::none_of(needed.begin(), needed.end(), [](bool n) { return n; })) return;
    if (problem_.bias == BiasKind::rows) {
      Tensor grad_rows = at::zeros({heads_, block.rows(), block.j1}, dlogits.options());
      grad_rows.slice(2, block.j0, block.j1).copy_(dlogits);
      add_row_block_gradient(problem_, x_.bias, needed, block.b, block.r0, block.r1, grad_rows, grads);
      return;
    }
    at::AutoGradMode enable(true);
    std::vector<Tensor> leaves, wanted;
    for (size_t n = 0; n < x_.bias.size(); ++n) {
      leaves.push_back(x_.bias[n].detach().requires_grad_(needed[n]));
      if (needed[n]) wanted.push_back(leaves.back());
    }
    const auto found = torch::autograd::grad({bias_rows(block, leaves)}, wanted, {dlogits});
    for (size_t n = 0, w = 0; n < grads.size(); ++n) {
      if (needed[n]) grads[n].add_(found[w++]);
    }
  }

  const AttentionProblem& problem_;
  const AttentionTensors& x_;
  at::ScalarType dtype_;
  Tensor q_, k_, v_, row_scale_;
  int64_t heads_, groups_;
};

}  // namespace

AttentionResult attention_aten_forward(const AttentionProblem& problem, const AttentionTensors& x) {
  return Composition(problem, x).forward();
}

AttentionTensors attention_aten_backward(const AttentionProblem& problem, const AttentionTensors& x,
                                         const AttentionResult& result, const Tensor& grad_out,
                                         const AttentionNeeds& needs) {
  return Composition(problem, x).backward(result, grad_out, needs);
}

void add_row_block_gradient(const AttentionProblem& problem, const std::vector<Tensor>& inputs,
                            const std::vector<bool>& needed, int64_t b, int64_t i0, int64_t i1, const Tensor& grad_rows,
                            std::vector<Tensor>& grads) {
  at::AutoGradMode enable(true);
  std::vector<Tensor> leaves, wanted;
  for (size_t n = 0; n < inputs.size(); ++n) {
    leaves.push_back(inputs[n].detach().requires_grad_(needed[n]));
    if (needed[n]) wanted.push_back(leaves.back());
  }
  if (wanted.empty()) return;
  const Tensor rows = row_block(problem, leaves, grad_rows.size(0), b, i0, i1, grad_rows.size(2));
  if (!rows.requires_grad()) return;  // these rows read none of the inputs
  const auto found =
      torch::autograd::grad({rows}, wanted, {grad_rows.to(rows.scalar_type())}, std::nullopt, false, true);
  for (size_t n = 0, w = 0; n < inputs.size(); ++n) {
    if (!needed[n]) continue;
    if (found[w].defined()) grads[n].add_(found[w]);
    ++w;
  }
}

}  // namespace longhaul
