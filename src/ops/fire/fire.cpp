// The network as a composition of ATen ops, and as pieces of a line for the kernel.
#include "ops/fire/fire.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/log.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/fire/fire_kernels.h"

namespace longhaul {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor stretch(const FireNetwork& network, const Tensor& distance) {
  return at::log(at::abs(network.c * distance) + 1);
}

Tensor divisor_of(const FireNetwork& network, const Tensor& position) {
  return stretch(network, at::maximum(position.to(network.c.scalar_type()), at::abs(network.reach))) + 1e-6;
}

// Where r makes one of the ReLUs turn, ascending, of those that a distance up to the query's position reaches: 0 < r < 1.
std::vector<double> turns_of(const FireNetwork& network) {
  const Tensor weight = network.weight0.detach().flatten().to(at::kDouble),
               bias = network.bias0.detach().to(at::kDouble);
  std::vector<double> turns;
  for (int64_t u = 0; u < bias.size(0); ++u) {
    const double turn = -bias.const_data_ptr<double>()[u] / weight.const_data_ptr<double>()[u];
    if (turn > 0 && turn < 1) turns.push_back(turn);
  }
  std::sort(turns.begin(), turns.end());
  return turns;
}

// The network between its turns: slope and intercept [H, S] for r = 0, then for every range of r.
struct Pieces {
  std::vector<double> turns;  // [S - 2]
  Tensor slope, intercept;    // differentiable through the network's weights
};

Pieces pieces_of(const FireNetwork& network) {
  Pieces pieces{turns_of(network), {}, {}};
  std::vector<double> inside{0};  // a number in each range
  double begin = 0;
  for (double turn : pieces.turns) {
    inside.push_back((begin + turn) / 2);
    begin = turn;
  }
  inside.push_back((begin + 1) / 2);
  const Tensor r = at::tensor(inside, at::TensorOptions(at::kDouble));
  const Tensor before =
      network.weight0.detach().to(at::kDouble) * r + network.bias0.detach().to(at::kDouble).unsqueeze(1);
  const Tensor on = (before > 0).to(network.c.scalar_type());  // [hidden, S]
  pieces.slope = at::matmul(network.weight2, on * network.weight0);
  pieces.intercept = at::addmm(network.bias2.unsqueeze(1), network.weight2, on * network.bias0.unsqueeze(1));
  return pieces;
}

// ends [R, S] of FireRows. `stretched` by distance, ascending.
Tensor ends_of(const std::vector<double>& turns, const Tensor& stretched, const Tensor& divisor, int64_t first) {
  const int64_t rows = divisor.size(0), pieces = static_cast<int64_t>(turns.size()) + 2;
  Tensor ends = at::empty({rows, pieces}, at::kLong);
  const float *table = stretched.const_data_ptr<float>(), *by = divisor.const_data_ptr<float>();
  at::parallel_for(0, rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      int64_t* row = ends.mutable_data_ptr<int64_t>() + r * pieces;
      const float *last = table + first + r + 1, *from = table + (first + r > 0 ? 1 : 0);
      row[0] = 0;
      for (size_t t = 0; t < turns.size(); ++t) {
        from = std::upper_bound(from, last, static_cast<float>(turns[t] * by[r]));
        row[t + 1] = std::max<int64_t>(0, from - table - 1);
      }
      row[pieces - 1] = first + r;
    }
  });
  return ends;
}

struct FireFunction : torch::autograd::Function<FireFunction> {
  // stretched [first + R + kFirePad] as FireRows has it.
  static Tensor forward(AutogradContext* context, const Tensor& stretched, const Tensor& divisor, const Tensor& slope,
                        const Tensor& intercept, const Tensor& ends, int64_t keys) {
    context->save_for_backward({stretched, divisor, slope.contiguous(), intercept.contiguous(), ends});
    context->saved_data["keys"] = keys;
    Tensor out = at::empty({slope.size(0), divisor.size(0), keys}, at::kFloat);
    fire_rows_cpu(rows_of({stretched, divisor, slope.contiguous(), intercept.contiguous(), ends}, keys),
                  out.mutable_data_ptr<float>());
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const FireRows rows = rows_of(saved, context->saved_data["keys"].toInt());
    const Tensor dout = grads[0].contiguous();
    const Tensor dstretched = at::zeros({rows.heads, saved[0].size(0)}, at::kFloat);
    const Tensor ddivisor = at::zeros({rows.heads, rows.rows}, at::kDouble);
    const Tensor dslope = at::zeros({rows.heads, rows.pieces}, at::kDouble), dintercept = at::zeros_like(dslope);
    fire_rows_backward_cpu(rows, dout.const_data_ptr<float>(),
                           {dstretched.mutable_data_ptr<float>(), ddivisor.mutable_data_ptr<double>(),
                            dslope.mutable_data_ptr<double>(), dintercept.mutable_data_ptr<double>()});
    return {
        dstretched.sum(0), ddivisor.sum(0).to(at::kFloat), dslope.to(at::kFloat), dintercept.to(at::kFloat), Tensor(),
        Tensor()};
  }

 private:
  static FireRows rows_of(const variable_list& x, int64_t keys) {
    const int64_t rows = x[1].size(0);
    return {x[2].size(0),
            rows,
            keys,
            x[0].size(0) - kFirePad - rows,
            x[2].size(1),
            x[0].const_data_ptr<float>(),
            x[1].const_data_ptr<float>(),
            x[2].const_data_ptr<float>(),
            x[3].const_data_ptr<float>(),
            x[4].const_data_ptr<int64_t>()};
  }
};

}  // namespace

Tensor fire_bias(const FireNetwork& network, const Tensor& distance, const Tensor& position) {
  const Tensor r = stretch(network, distance.to(network.c.scalar_type())) / divisor_of(network, position).unsqueeze(1);
  const Tensor hidden = at::relu(at::addmm(network.bias0.unsqueeze(1), network.weight0, r.reshape({1, -1})));
  return at::addmm(network.bias2.unsqueeze(1), network.weight2, hidden).unflatten(1, distance.sizes());
}

Tensor fire_bias(const FireNetwork& network, int64_t first, int64_t rows, int64_t keys) {
  check(first >= 0 && rows >= 0 && keys >= first + rows, "fire: ", rows, " queries from ", first, " on need ",
        first + rows, " keys, got ", keys);
  const auto doubles = network.c.options().dtype(at::kDouble);
  const Tensor position = at::arange(first, first + rows, doubles);
  if (!network.c.is_cpu() || network.c.scalar_type() != at::kFloat)
    return fire_bias(network, at::clamp(position.unsqueeze(1) - at::arange(keys, doubles), 0), position);
  const Tensor stretched = stretch(network, at::arange(first + rows, doubles).to(at::kFloat));
  const Tensor divisor = divisor_of(network, position);
  const Pieces pieces = pieces_of(network);
  const Tensor ends = ends_of(pieces.turns, stretched.detach(), divisor.detach(), first);
  return FireFunction::apply(at::constant_pad_nd(at::flip(stretched, {0}), {0, kFirePad}), divisor, pieces.slope,
                             pieces.intercept, ends, keys);
}

}  // namespace longhaul
