#include "ops/attention/rewritten_attention.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "ops/attention/attention_blocks.h"

namespace longhaul {
namespace {

constexpr int64_t kBlockNumbers = int64_t{1} << 17;  // of a block's largest tensor: it stays in the cache

struct RewrittenProblem : torch::CustomClassHolder {
  c10::intrusive_ptr<AttentionProblem> attention;
  LogitRewrite rewrite;  // without its inputs
  int64_t bias_count = 0;
};

// q, k, v, then the bias's tensors, then the rewrite's.
struct Call {
  const RewrittenProblem& problem;
  std::vector<Tensor> x;

  const AttentionProblem& attention() const { return *problem.attention; }
  int64_t heads() const { return x[0].size(1); }

  template <class Visit>
  void for_each(const Visit& visit) const {
    for_each_block(attention(), kBlockNumbers / (heads() * problem.rewrite.channels), visit);
  }
  // The part of q, k or v that a block reads; the others are read whole.
  Tensor part(size_t n, const Tensor& t, const Block& block) const {
    if (n == 0) return rows_of(t, block);
    if (n > 2) return t;
    const int64_t base = attention().spans.key_begin[block.b];
    return t.slice(0, base, base + block.j1);
  }
  Tensor rows_of(const Tensor& t, const Block& block) const {
    const int64_t base = attention().spans.query_offsets[block.b];
    return t.slice(0, base + block.r0, base + block.r1);
  }
  std::vector<Tensor> parts(const Block& block) const {
    std::vector<Tensor> all;
    for (size_t n = 0; n < x.size(); ++n) all.push_back(part(n, x[n], block));
    return all;
  }

  // parts -> [R, H, D].
  Tensor output(const Block& block, const std::vector<Tensor>& parts) const {
    const auto bias_end = parts.begin() + 3 + problem.bias_count;
    const std::vector<Tensor> bias(parts.begin() + 3, bias_end), inputs(bias_end, parts.end());
    const Tensor q = parts[0].transpose(0, 1), k = parts[1].transpose(0, 1), v = parts[2].transpose(0, 1);
    const int64_t groups = k.size(0), rows = block.rows(), keys = block.columns();
    const Tensor scaled = q * row_factor(block, q);
    Tensor logits = at::matmul(scaled.reshape({groups, -1, q.size(2)}), k.transpose(1, 2)).view({heads(), rows, keys});
    const double cap = attention().options.soft_cap;
    if (cap > 0) logits = cap * at::tanh(logits / cap);
    const Tensor hidden = hidden_keys(attention(), block, q.device());
    const Tensor added = bias_block(attention(), bias, heads(), block, q.scalar_type());
    logits = problem.rewrite.apply({logits, added, q, hidden, block.b, block.r0, block.r1, block.i0}, inputs);
    const Tensor weights = at::softmax(logits.masked_fill(hidden, -std::numeric_limits<double>::infinity()), -1);
    return at::matmul(weights.reshape({groups, -1, keys}), v).view({heads(), rows, v.size(2)}).transpose(0, 1);
  }

 private:
  // scale * row_scale, [R, 1] or a number.
  Tensor row_factor(const Block& block, const Tensor& like) const {
    const AttentionOptions& options = attention().options;
    if (!options.row_scale.defined()) return at::full({1}, options.scale, like.options());
    return (rows_of(options.row_scale, block) * options.scale).to(like.options()).unsqueeze(1);
  }
};

struct RewrittenFunction : torch::autograd::Function<RewrittenFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const c10::intrusive_ptr<RewrittenProblem>& problem,
                        at::TensorList tensors) {
    const Call call{*problem, tensors.vec()};
    Tensor out = at::zeros(tensors[0].sizes(), tensors[0].options());
    call.for_each([&](const Block& block) { call.rows_of(out, block).copy_(call.output(block, call.parts(block))); });
    context->save_for_backward(call.x);
    context->saved_data["problem"] = c10::IValue::make_capsule(problem);
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& grads) {
    check(!at::GradMode::is_enabled(), "attention: second derivatives are not available");
    const auto problem =
        c10::static_intrusive_pointer_cast<RewrittenProblem>(context->saved_data["problem"].toCapsule());
    const Call call{*problem, context->get_saved_variables()};
    torch::autograd::variable_list found(call.x.size() + 1);
    std::vector<size_t> needed;
    for (size_t n = 0; n < call.x.size(); ++n) {
      if (!context->needs_input_grad(n)) continue;
      needed.push_back(n);
      found[n + 1] = at::zeros_like(call.x[n]);
    }
    call.for_each([&](const Block& block) {
      std::vector<Tensor> leaves = call.parts(block), wanted;
      for (Tensor& leaf : leaves) leaf = leaf.detach();
      for (size_t n : needed) wanted.push_back(leaves[n].requires_grad_(true));
      at::AutoGradMode enable(true);
      const Tensor out = call.output(block, leaves);
      const auto slopes =
          torch::autograd::grad({out}, wanted, {call.rows_of(grads[0], block)}, std::nullopt, false, true);
      at::AutoGradMode disable(false);
      for (size_t w = 0; w < needed.size(); ++w)
        if (slopes[w].defined()) call.part(needed[w], found[needed[w] + 1], block).add_(slopes[w]);
    });
    return found;
  }
};

}  // namespace

Tensor rewritten_attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpans& spans,
                           const Bias& bias, const AttentionOptions& options, const LogitRewrite& rewrite) {
  check(options.causal && options.window == 0, "attention: logits are rewritten in causal calls without a window");
  const KeyRows keys = without_pages(k, v, spans);
  const auto [attention, x] = checked_call(q, keys.k, keys.v, keys.spans, bias, options);
  auto problem = c10::make_intrusive<RewrittenProblem>();
  problem->attention = attention;
  attention->options.stats = nullptr;  // nothing is skipped
  problem->rewrite = {{}, rewrite.apply, rewrite.channels};
  problem->bias_count = static_cast<int64_t>(x.bias.size());
  std::vector<Tensor> tensors = {x.q, x.k, x.v};
  tensors.insert(tensors.end(), x.bias.begin(), x.bias.end());
  tensors.insert(tensors.end(), rewrite.inputs.begin(), rewrite.inputs.end());
  return RewrittenFunction::apply(problem, at::TensorList(tensors));
}

}  // namespace longhaul
