#include "nn/mlp.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "ops/linear/packed_weight.h"

namespace longhaul {

namespace {

// For each expert the (token, place among the token's choices) that chose it, in the order of tokens.
struct Visits {
  std::vector<int64_t> tokens, places;
};
std::vector<Visits> visits_of(const Tensor& chosen, int64_t experts) {
  const Tensor host = chosen.cpu().contiguous();
  const int64_t* numbers = host.const_data_ptr<int64_t>();
  std::vector<Visits> visits(static_cast<size_t>(experts));
  for (int64_t t = 0; t < host.size(0); ++t) {
    for (int64_t k = 0; k < host.size(1); ++k) {
      Visits& of_expert = visits[static_cast<size_t>(*numbers++)];
      of_expert.tokens.push_back(t);
      of_expert.places.push_back(t * host.size(1) + k);
    }
  }
  return visits;
}

// f(x) in blocks of rows where the weights are packed: a row's result depends on it alone then. What lies between, the largest of all
// activations, stays small beside a small model's weights. A block reads all of them: it has 128 rows for each byte of a number, which
// hide that behind their multiplications whatever the type.
template <class Function>
Tensor by_blocks(const Tensor& x, const Tensor& weight, const Function& f) {
  const PackedMatrix* packed = packed_matrix(weight);
  const int64_t block = packed ? 128 * element_bytes(packed->type) : 0;
  if (x.size(0) <= block || block == 0) return f(x);
  const Tensor y = at::empty_like(x);
  for (int64_t begin = 0; begin < x.size(0); begin += block) {
    const int64_t count = std::min(block, x.size(0) - begin);
    y.narrow(0, begin, count).copy_(f(x.narrow(0, begin, count)));
  }
  return y;
}

}  // namespace

Tensor mlp(const Tensor& x, const Norm& norm, const Mlp& w, ComputeType compute) {
  return by_blocks(x, w.up.weight, [&](const Tensor& rows) {
    return activation_linear(norm_linear(rows, norm, w.up, compute), w.activation, w.down, compute);
  });
}

Tensor gated_mlp(const Tensor& x, const Norm& norm, const GatedMlp& w, ComputeType compute) {
  return by_blocks(x, w.gate_up.weight, [&](const Tensor& rows) {
    return linear(gate(norm_linear(rows, norm, w.gate_up, compute), w.activation), w.down, compute);
  });
}

Tensor gated_mlp(const Tensor& x, const GatedMlp& w, ComputeType compute) {
  return by_blocks(x, w.gate_up.weight, [&](const Tensor& rows) {
    return linear(gate(linear(rows, w.gate_up, compute), w.activation), w.down, compute);
  });
}

Tensor mixture(const Tensor& x, const Experts& w, ComputeType compute) {
  const auto wide = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const Tensor shares = at::softmax(linear(x, w.router, compute), 1, wide);
  auto [best, chosen] = at::topk(shares, w.chosen, 1);
  Tensor weights = w.normalize ? best / best.sum(1, true) : best;
  weights = weights.reshape({-1, 1});
  const std::vector<Visits> visits = visits_of(chosen, w.router.weight.size(0));
  Tensor y = at::zeros_like(x);
  for (size_t e = 0; e < visits.size(); ++e) {
    if (visits[e].tokens.empty()) continue;
    const auto integers = at::TensorOptions(at::kLong);
    const Tensor tokens = at::tensor(visits[e].tokens, integers).to(x.device());
    const Tensor places = at::tensor(visits[e].places, integers).to(x.device());
    const auto expert = static_cast<int64_t>(e);
    const GatedMlp own{{stacked_weight(w.gate_up, expert), {}}, {stacked_weight(w.down, expert), {}}, w.activation};
    const Tensor out = gated_mlp(at::index_select(x, 0, tokens), own, compute);
    y.index_add_(0, tokens, (out * at::index_select(weights, 0, places)).to(y.scalar_type()));
  }
  return y;
}

}  // namespace longhaul
