#include "ops/cope/cope.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ceil.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/sigmoid.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "ops/cope/cope_kernels.h"

namespace longhaul {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor composition(const Tensor& logits, const Tensor& values, int64_t first) {
  const auto integers = at::TensorOptions(at::kLong).device(logits.device());
  const Tensor own = at::arange(first, first + logits.size(1), integers).unsqueeze(1);
  const Tensor hidden = at::arange(logits.size(2), integers) > own;
  const Tensor gates = at::sigmoid(logits).masked_fill(hidden, 0);
  const Tensor count = at::flip(at::cumsum(at::flip(gates, {-1}), -1), {-1});
  const Tensor position = at::clamp(count, std::nullopt, values.size(2) - 1);
  const Tensor below = at::floor(position.detach()), above = at::ceil(position.detach());
  const Tensor from = at::gather(values, -1, below.to(at::kLong)), to = at::gather(values, -1, above.to(at::kLong));
  return logits + at::lerp(from, to, position - below).masked_fill(hidden, 0);
}

CopeTask task_of(const Tensor& logits, const Tensor& values, int64_t first) {
  return {logits.size(0),
          logits.size(1),
          logits.size(2),
          first,
          values.size(2),
          logits.const_data_ptr<float>(),
          values.const_data_ptr<float>()};
}

struct CopeFunction : torch::autograd::Function<CopeFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& logits, const Tensor& values, int64_t first) {
    const Tensor l = logits.contiguous(), v = values.contiguous();
    context->save_for_backward({l, v});
    context->saved_data["first"] = first;
    Tensor out = at::empty_like(l);
    cope_cpu(task_of(l, v, first), out.mutable_data_ptr<float>());
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const Tensor dout = grads[0].contiguous();
    Tensor dlogits = at::empty_like(saved[0]), dvalues = at::empty_like(saved[1]);
    cope_backward_cpu(task_of(saved[0], saved[1], context->saved_data["first"].toInt()), dout.const_data_ptr<float>(),
                      dlogits.mutable_data_ptr<float>(), dvalues.mutable_data_ptr<float>());
    return {dlogits, dvalues, Tensor()};
  }
};

}  // namespace

Tensor add_counted_positions(const Tensor& logits, const Tensor& values, int64_t first) {
  check(logits.dim() == 3 && first >= 0 && logits.size(2) >= first + logits.size(1),
        "cope: logits must be [H, R, K] with K >= ", first, " + R, got ", logits.sizes());
  check(
      values.dim() == 3 && values.size(0) == logits.size(0) && values.size(1) == logits.size(1) && values.size(2) >= 2,
      "cope: values must be [H, R, M] = [", logits.size(0), ", ", logits.size(1), ", at least 2], got ",
      values.sizes());
  check(values.scalar_type() == logits.scalar_type(), "cope: values must have the logits' dtype ",
        c10::toString(logits.scalar_type()), ", got ", c10::toString(values.scalar_type()));
  if (!logits.is_cpu() || logits.scalar_type() != at::kFloat) return composition(logits, values, first);
  return CopeFunction::apply(logits, values, first);
}

}  // namespace longhaul
