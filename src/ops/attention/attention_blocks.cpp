#include "ops/attention/attention_blocks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/log1p.h>
#include <ATen/ops/where.h>

#include <algorithm>

#include "base/error.h"

namespace longhaul {
namespace {

// i - j of the block, [rows, columns] int64.
Tensor distances(const Block& block, at::Device device) {
  const auto integers = at::TensorOptions(at::kLong).device(device);
  return at::arange(block.i0, block.i0 + block.rows(), integers).unsqueeze(1) -
         at::arange(block.j0, block.j1, integers).unsqueeze(0);
}

Tensor distance_block(const Tensor& table, const Block& block) {
  const Tensor index = at::clamp(distances(block, table.device()), 0, table.size(1) - 1);
  return at::index_select(table, 1, index.flatten()).view({table.size(0), block.rows(), block.columns()});
}

Tensor separable_block(const AttentionProblem& problem, const std::vector<Tensor>& tensors, const Block& block,
                       at::ScalarType dtype) {
  const int64_t base = problem.spans.key_begin[block.b];
  const Tensor& s = tensors[0];
  const Tensor si = s.slice(0, base + block.i0, base + block.i0 + block.rows()).t();
  const Tensor sj = s.slice(0, base + block.j0, base + block.j1).t();
  Tensor u = (si.unsqueeze(2) - sj.unsqueeze(1)).to(dtype);  // the difference is double, then rounded
  if (problem.bias == BiasKind::kernel) {
    u = -at::log1p(u.square());
  } else if (!problem.options.causal) {
    u = at::where(distances(block, s.device()) < 0, -at::abs(u), u);
  }
  if (tensors.size() < 2) return u;
  const int64_t row = problem.spans.query_offsets[block.b];
  return tensors[1].slice(0, row + block.r0, row + block.r1).t().unsqueeze(2).to(dtype) * u;
}

}  // namespace

void for_each_block(const AttentionProblem& problem, int64_t elements, const std::function<void(const Block&)>& visit) {
  for (int64_t b = 0; b < problem.sequences(); ++b) {
    const int64_t count = problem.queries(b), first = problem.first_query(b);
    const int64_t step = std::max<int64_t>(1, elements / std::max<int64_t>(1, problem.keys(b)));
    for (int64_t r0 = std::max<int64_t>(0, -first); r0 < count; r0 += step) {
      const int64_t r1 = std::min(count, r0 + step), i0 = first + r0;
      const Block block{b, r0, r1, i0, problem.first_key(i0), problem.last_key(b, first + r1)};
      if (block.columns() > 0) visit(block);
    }
  }
}

Tensor hidden_keys(const AttentionProblem& problem, const Block& block, at::Device device) {
  if (!problem.options.causal) return {};
  const Tensor distance = distances(block, device);
  Tensor hidden = distance < problem.nearest;
  if (problem.options.window > 0) hidden = hidden.logical_or(distance >= problem.options.window);
  if (problem.first_keys == 0) return hidden;
  return hidden.logical_or(at::arange(block.j0, block.j1, hidden.options().dtype(at::kLong)) >= problem.first_keys);
}

Tensor bias_block(const AttentionProblem& problem, const std::vector<Tensor>& tensors, int64_t heads,
                  const Block& block, at::ScalarType dtype) {
  switch (problem.bias) {
    case BiasKind::none: return {};
    case BiasKind::distance: return distance_block(tensors[0], block).to(dtype);
    case BiasKind::rows:
      return row_block(problem, tensors, heads, block.b, block.r0, block.r1, block.j1).slice(2, block.j0).to(dtype);
    default: return separable_block(problem, tensors, block, dtype);
  }
}

Tensor row_block(const AttentionProblem& problem, const std::vector<Tensor>& inputs, int64_t heads, int64_t b,
                 int64_t i0, int64_t i1, int64_t keys) {
  const Tensor rows = problem.rows(inputs, b, i0, i1, keys);
  const std::vector<int64_t> shape = {heads, i1 - i0, keys};
  check(rows.defined() && rows.sizes() == shape,
        "attention: rows of the bias must be [H, rows, keys] = ", at::IntArrayRef(shape), ", got ",
        rows.defined() ? longhaul::str(rows.sizes()) : "an undefined tensor");
  return rows;
}

}  // namespace longhaul
