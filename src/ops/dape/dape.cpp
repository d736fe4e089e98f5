#include "ops/dape/dape.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/leaky_relu.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "ops/dape/dape_kernels.h"

namespace longhaul {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor composition(const Tensor& logits, const Tensor& bias, const DapeNetwork& network, bool adds_bias) {
  const Tensor pairs = at::cat({logits, bias}).flatten(1);
  const Tensor hidden = at::leaky_relu(at::addmm(network.bias0.unsqueeze(1), network.weight0, pairs), 0.01);
  const Tensor added = at::addmm(network.bias2.unsqueeze(1), network.weight2, hidden).view(logits.sizes());
  return adds_bias ? logits + added + bias : logits + added;
}

// x: logits, bias, weight0, bias0, weight2, bias2, all contiguous.
DapeTask task_of(const variable_list& x, bool adds_bias) {
  const auto data = [&](size_t n) { return x[n].const_data_ptr<float>(); };
  return {x[0].size(0), x[3].size(0), x[0].size(1) * x[0].size(2), data(0), data(1), data(2), data(3), data(4),
          data(5),      adds_bias};
}

struct DapeFunction : torch::autograd::Function<DapeFunction> {
  static Tensor forward(AutogradContext* context, at::TensorList tensors, bool adds_bias) {
    variable_list x;
    for (const Tensor& tensor : tensors) x.push_back(tensor.contiguous());
    context->save_for_backward(x);
    context->saved_data["adds_bias"] = adds_bias;
    Tensor out = at::empty_like(x[0]);
    dape_cpu(task_of(x, adds_bias), out.mutable_data_ptr<float>());
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list x = context->get_saved_variables();
    const DapeTask task = task_of(x, context->saved_data["adds_bias"].toBool());
    const int64_t groups = (task.pairs + kDapeGroup - 1) / kDapeGroup;
    const Tensor dout = grads[0].contiguous();
    variable_list found = {at::empty_like(x[0]), at::empty_like(x[1])};
    for (size_t n = 2; n < x.size(); ++n) {
      std::vector<int64_t> shape = x[n].sizes().vec();
      shape.insert(shape.begin(), groups);
      found.push_back(at::empty(shape, x[n].options()));
    }
    const auto data = [&](size_t n) { return found[n].mutable_data_ptr<float>(); };
    dape_backward_cpu(task, dout.const_data_ptr<float>(), {data(0), data(1), data(2), data(3), data(4), data(5)});
    for (size_t n = 2; n < x.size(); ++n) found[n] = found[n].sum(0);
    found.emplace_back();
    return found;
  }
};

}  // namespace

Tensor dape(const Tensor& logits, const Tensor& bias, const DapeNetwork& network, bool adds_bias) {
  check(logits.dim() == 3 && bias.sizes() == logits.sizes(), "dape: logits and bias must be [H, R, K], got ",
        logits.sizes(), " and ", bias.sizes());
  const int64_t heads = logits.size(0), hidden = network.bias0.size(0);
  check(network.weight0.sizes() == std::vector<int64_t>{hidden, 2 * heads} &&
            network.weight2.sizes() == std::vector<int64_t>{heads, hidden},
        "dape: weights must be [hidden, 2 H] and [H, hidden] with H = ", heads, " and hidden = ", hidden, ", got ",
        network.weight0.sizes(), " and ", network.weight2.sizes());
  if (!logits.is_cpu() || logits.scalar_type() != at::kFloat || network.bias0.scalar_type() != at::kFloat)
    return composition(logits, bias, network, adds_bias);
  return DapeFunction::apply(
      at::TensorList({logits, bias, network.weight0, network.bias0, network.weight2, network.bias2}), adds_bias);
}

}  // namespace longhaul
