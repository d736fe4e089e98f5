#include "ops/attention/ranged_attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/exp2.h>
#include <ATen/ops/log.h>
#include <ATen/ops/log2.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/where.h>
#include <torch/csrc/autograd/custom_function.h>

#include <limits>

#include "base/error.h"
#include "ops/attention/attention_aten.h"
#include "ops/attention/attention_cpu.h"
#include "ops/attention/attention_problem.h"

namespace longhaul {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNone = 1e29;       // an lse above it is that of a query without keys
constexpr double kNoKeys = 0x1p100;  // what it is then: a float holds it exactly

struct RangedProblem : torch::CustomClassHolder {
  std::vector<c10::intrusive_ptr<AttentionProblem>> ranges;
};

bool fused(const Tensor& q) { return q.device().is_cpu() && q.scalar_type() != at::kDouble; }

AttentionResult forward_of(const AttentionProblem& problem, const AttentionTensors& x) {
  return fused(x.q) ? attention_cpu_forward(problem, x) : attention_aten_forward(problem, x);
}

// Two ranges as one. The fused path keeps lse in units of log 2.
AttentionResult merge(const AttentionResult& a, const AttentionResult& b, bool binary) {
  const auto sums = [](const Tensor& lse) { return at::where(lse > kNone, -kInfinity, lse); };
  const Tensor la = sums(a.lse), lb = sums(b.lse), most = at::maximum(la, lb);
  const Tensor reference = at::where(most == -kInfinity, 0, most);  // of rows that see nothing in either
  const auto power = [&](const Tensor& x) { return binary ? at::exp2(x) : at::exp(x); };
  const Tensor wa = power(la - reference), wb = power(lb - reference), sum = wa + wb;
  const Tensor share = at::where(sum > 0, wa / sum, 0), lse = reference + (binary ? at::log2(sum) : at::log(sum));
  const auto rows = [&](const Tensor& weight) {
    return weight.t().unsqueeze(2).to(a.out.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  };
  const Tensor out = a.out * rows(share) + b.out * rows(at::where(sum > 0, wb / sum, 0));
  return {out.to(a.out.scalar_type()).contiguous(), at::where(lse == -kInfinity, kNoKeys, lse)};
}

// v, then q and k of every range.
AttentionTensors tensors_of(at::TensorList all, size_t range) {
  return {all[1 + 2 * range], all[2 + 2 * range], all[0], {}};
}

struct RangedFunction : torch::autograd::Function<RangedFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const c10::intrusive_ptr<RangedProblem>& problem,
                        at::TensorList tensors) {
    AttentionResult result = forward_of(*problem->ranges[0], tensors_of(tensors, 0));
    for (size_t n = 1; n < problem->ranges.size(); ++n)
      result = merge(result, forward_of(*problem->ranges[n], tensors_of(tensors, n)), fused(tensors[1]));
    for (const auto& range : problem->ranges) range->options.stats = nullptr;  // valid during the forward pass only
    torch::autograd::variable_list saved = tensors.vec();
    saved.push_back(result.out);
    saved.push_back(result.lse);
    context->save_for_backward(saved);
    context->saved_data["problem"] = c10::IValue::make_capsule(problem);
    return result.out;
  }

  // With the whole softmax's output and sum, the gradients of a range are those of an attention.
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& grads) {
    check(!at::GradMode::is_enabled(), "attention: second derivatives are not available");
    const auto saved = context->get_saved_variables();
    const size_t count = saved.size() - 2;
    const AttentionResult result{saved[count], saved[count + 1]};
    const auto problem = c10::static_intrusive_pointer_cast<RangedProblem>(context->saved_data["problem"].toCapsule());
    torch::autograd::variable_list found(count + 1);
    for (size_t n = 0; n < problem->ranges.size(); ++n) {
      const AttentionTensors x = tensors_of(at::TensorList(saved), n);
      const AttentionNeeds needs{
          context->needs_input_grad(1 + 2 * n), context->needs_input_grad(2 + 2 * n), context->needs_input_grad(0), {}};
      const AttentionProblem& range = *problem->ranges[n];
      const AttentionTensors own = fused(x.q) ? attention_cpu_backward(range, x, result, grads[0], needs)
                                              : attention_aten_backward(range, x, result, grads[0], needs);
      if (needs.q) found[2 + 2 * n] = own.q;
      if (needs.k) found[3 + 2 * n] = own.k;
      if (needs.v) found[1] = found[1].defined() ? found[1] + own.v : own.v;
    }
    return found;
  }
};

}  // namespace

Tensor ranged_attention(const std::vector<AttentionRange>& ranges, const Tensor& v, const AttentionSpans& spans,
                        const AttentionOptions& options) {
  check(!ranges.empty() && options.causal, "attention: ranges are for causal calls, and at least one is wanted");
  if (spans.pages && !fused(ranges.front().q)) {  // only the fused path looks pages up
    std::vector<AttentionRange> gathered = ranges;
    KeyRows rows;
    for (AttentionRange& range : gathered) {
      rows = without_pages(range.k, v, spans);
      range.k = rows.k;
    }
    return ranged_attention(gathered, rows.v, rows.spans, options);
  }
  auto problem = c10::make_intrusive<RangedProblem>();
  std::vector<Tensor> tensors = {v};
  for (const AttentionRange& range : ranges) {
    check(range.nearest >= 0 && range.window >= 0 && range.first_keys >= 0,
          "attention: the limits of a range must not be negative, got ", range.nearest, ", ", range.window, " and ",
          range.first_keys);
    AttentionOptions own = options;
    if (range.window > 0) own.window = own.window > 0 ? std::min(own.window, range.window) : range.window;
    const auto [checked, x] = checked_call(range.q, range.k, v, spans, {}, own);
    checked->nearest = range.nearest, checked->first_keys = range.first_keys;
    problem->ranges.push_back(checked);
    tensors.push_back(range.q);
    tensors.push_back(range.k);
  }
  return RangedFunction::apply(problem, at::TensorList(tensors));
}

}  // namespace longhaul
