// From checked calls to their output: the implementation that fits, ranges put together, and what autograd keeps of them.
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

namespace longhaul {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNone = 1e29;       // an lse above it is that of a query without keys
constexpr double kNoKeys = 0x1p100;  // what it is then: a float holds it exactly

AttentionResult forward_of(const AttentionProblem& problem, const AttentionTensors& x) {
  return is_fused(x.q) ? attention_cpu_forward(problem, x) : attention_aten_forward(problem, x);
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

AttentionResult forward_of_all(const std::vector<CheckedAttention>& ranges) {
  AttentionResult result;
  for (const CheckedAttention& range : ranges) {
    const AttentionResult own = forward_of(*range.problem, range.tensors);
    result = result.out.defined() ? merge(result, own, is_fused(range.tensors.q)) : own;
  }
  return result;
}

// The calls as an autograd node keeps them: what they are, beside their tensors.
struct AttentionRanges : torch::CustomClassHolder {
  std::vector<c10::intrusive_ptr<AttentionProblem>> problems;

  // The tensors: v, then q and k of each range, then the bias of the one range that has one.
  static size_t query(size_t range) { return 1 + 2 * range; }
  static size_t key(size_t range) { return 2 + 2 * range; }
  size_t bias() const { return query(problems.size()); }
  static std::vector<Tensor> tensors_of(const std::vector<CheckedAttention>& ranges) {
    std::vector<Tensor> all = {ranges.front().tensors.v};
    for (const CheckedAttention& range : ranges) all.insert(all.end(), {range.tensors.q, range.tensors.k});
    const std::vector<Tensor>& bias = ranges.front().tensors.bias;
    all.insert(all.end(), bias.begin(), bias.end());
    return all;
  }
  std::vector<CheckedAttention> with(at::TensorList tensors) const {
    std::vector<CheckedAttention> ranges;
    for (size_t n = 0; n < problems.size(); ++n)
      ranges.push_back({problems[n], {tensors[query(n)], tensors[key(n)], tensors[0], tensors.slice(bias()).vec()}});
    return ranges;
  }
};

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const c10::intrusive_ptr<AttentionRanges>& ranges,
                        at::TensorList tensors) {
    const AttentionResult result = forward_of_all(ranges->with(tensors));
    for (const auto& problem : ranges->problems)
      problem->options.stats = nullptr;  // the caller's, valid during the forward pass only
    torch::autograd::variable_list saved = tensors.vec();
    saved.push_back(result.out);
    saved.push_back(result.lse);
    context->save_for_backward(saved);
    context->saved_data["ranges"] = c10::IValue::make_capsule(ranges);
    return result.out;
  }

  // With the whole softmax's output and sum, the gradients of a range are those of an attention.
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& grads) {
    check(!at::GradMode::is_enabled(), "attention: second derivatives are not available");
    const auto saved = context->get_saved_variables();
    const at::TensorList tensors = at::TensorList(saved).slice(0, saved.size() - 2);
    const AttentionResult result{saved[tensors.size()], saved[tensors.size() + 1]};
    const auto ranges = c10::static_intrusive_pointer_cast<AttentionRanges>(context->saved_data["ranges"].toCapsule());
    torch::autograd::variable_list found(1 + tensors.size());  // the first is that of `ranges`
    auto give = [&](size_t tensor, const Tensor& grad) {
      Tensor& sum = found[1 + tensor];
      if (context->needs_input_grad(tensor)) sum = sum.defined() ? sum + grad : grad;
    };
    const std::vector<CheckedAttention> all = ranges->with(tensors);
    for (size_t n = 0; n < all.size(); ++n) {
      const auto& [problem, x] = all[n];
      const size_t q = AttentionRanges::query(n), k = AttentionRanges::key(n), bias = ranges->bias();
      AttentionNeeds needs{
          context->needs_input_grad(q), context->needs_input_grad(k), context->needs_input_grad(0), {}};
      for (size_t i = bias; i < tensors.size(); ++i) needs.bias.push_back(context->needs_input_grad(i));
      const AttentionTensors own = is_fused(x.q) ? attention_cpu_backward(*problem, x, result, grads[0], needs)
                                                 : attention_aten_backward(*problem, x, result, grads[0], needs);
      give(0, own.v), give(q, own.q), give(k, own.k);
      for (size_t i = bias; i < tensors.size(); ++i) give(i, own.bias[i - bias]);
    }
    return found;
  }
};

}  // namespace

bool is_fused(const Tensor& q) { return q.device().is_cpu() && q.scalar_type() != at::kDouble; }

Tensor run_attention(const std::vector<CheckedAttention>& ranges) {
  if (!at::GradMode::is_enabled()) return forward_of_all(ranges).out;
  auto kept = c10::make_intrusive<AttentionRanges>();
  for (const CheckedAttention& range : ranges) kept->problems.push_back(range.problem);
  return AttentionFunction::apply(kept, at::TensorList(AttentionRanges::tensors_of(ranges)));
}

}  // namespace longhaul
