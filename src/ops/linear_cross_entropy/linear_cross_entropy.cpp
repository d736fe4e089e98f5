// The head's losses, a block of tokens at a time.
#include "ops/linear_cross_entropy/linear_cross_entropy.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "ops/linear/packed_weight.h"
#include "ops/linear/product.h"
#include "ops/linear_cross_entropy/softmax_rows.h"

namespace longhaul {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

// Tokens of a block: blocks of equal size. Every block walks through the whole weight for its products, which wants few blocks;
// memory wants small ones: at most 25 MB of logits, or half of what the weight itself takes.
int64_t block_tokens(int64_t tokens, int64_t vocabulary, int64_t width, int64_t element_size) {
  constexpr int64_t kBlockBytes = 25 << 20;
  const int64_t most = std::max<int64_t>({kBlockBytes / (vocabulary * element_size), width / 2, 1});
  const int64_t blocks = std::max<int64_t>((tokens + most - 1) / most, 1);
  return std::max<int64_t>((tokens + blocks - 1) / blocks, 1);
}

at::ScalarType sum_type(const Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

void check_head(const char* op, const Tensor& x, const LogitHead& head) {
  check(x.dim() == 2 &&
            (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kDouble),
        op, ": x must be [T, C] of float, bfloat16 or double, got ", Shown{x});
  check(head.weight.defined() && head.weight.dim() == 2 && head.weight.size(1) == x.size(1) && head.weight.size(0) >= 1,
        op, ": weight must be [V, C] with C = ", x.size(1), ", got ", Shown{head.weight});
  check(!head.bias.defined() || (head.bias.dim() == 1 && head.bias.size(0) == head.weight.size(0)), op,
        ": bias must be [V] = [", head.weight.size(0), "], got ", Shown{head.bias});
  check(head.soft_cap >= 0, op, ": soft_cap must not be negative, got ", head.soft_cap);
}

void check_targets(const char* op, const Tensor& x, const LogitHead& head, const Tensor& targets,
                   int64_t ignore_index) {
  check_head(op, x, head);
  check(targets.dim() == 1 && targets.size(0) == x.size(0) && targets.scalar_type() == at::kLong, op,
        ": targets must be int64 [T] = [", x.size(0), "], got ", Shown{targets});
  const Tensor host = targets.to(at::kCPU).contiguous();
  const int64_t* data = host.const_data_ptr<int64_t>();
  for (int64_t t = 0; t < host.size(0); ++t) {
    check(data[t] == ignore_index || (data[t] >= 0 && data[t] < head.weight.size(0)), op, ": targets[", t,
          "] must be in [0, ", head.weight.size(0), ") or the ignored ", ignore_index, ", got ", data[t]);
  }
}

struct Wanted {
  bool x = false, weight = false, bias = false;
  bool any() const { return x || weight || bias; }
};

struct LossAndGradients {
  Tensor loss, x, weight, bias;
};

LossAndGradients loss_and_gradients(const Tensor& x, const LogitHead& head, const Tensor& targets, int64_t ignore_index,
                                    double factor, const Wanted& wanted) {
  const int64_t tokens = x.size(0), vocabulary = head.weight.size(0);
  const auto sums = x.options().dtype(sum_type(x)).requires_grad(false);
  const Tensor weight = operand(head.weight, x.scalar_type());
  const int64_t block = block_tokens(tokens, vocabulary, x.size(1), c10::elementSize(sum_type(x)));
  LossAndGradients out;
  out.loss = at::zeros({}, sums.dtype(at::kDouble));
  if (wanted.x) out.x = at::empty(x.sizes(), sums);
  if (wanted.weight) out.weight = tokens > 0 ? at::empty(weight.sizes(), sums) : at::zeros(weight.sizes(), sums);
  if (wanted.bias) out.bias = at::zeros({vocabulary}, sums);
  const Tensor buffer = at::empty({block, vocabulary}, sums);
  for (int64_t begin = 0; begin < tokens; begin += block) {
    const int64_t count = std::min(block, tokens - begin);
    const Tensor rows = buffer.narrow(0, 0, count), x_block = operand(x.narrow(0, begin, count), x.scalar_type());
    affine_into(rows, x_block, weight, head.bias);
    const RowScores scores =
        softmax_rows_(rows, head, targets.narrow(0, begin, count), ignore_index, wanted.any() ? factor : 0, false);
    out.loss.sub_(scores.log_prob.sum(), factor);
    if (!wanted.any()) continue;
    const Tensor gradient = operand(rows, x.scalar_type());
    if (wanted.x) product_into(out.x.narrow(0, begin, count), gradient, weight);
    if (wanted.weight) product_into(out.weight, gradient.t(), x_block, begin > 0 ? 1 : 0);
    if (wanted.bias) out.bias.add_(rows.sum(0));
  }
  return out;
}

// x, weight, optional bias -> loss. The gradients wait, finished but for the factor, for backward.
struct CrossEntropyFunction : torch::autograd::Function<CrossEntropyFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const std::optional<Tensor>& bias, double scale, double soft_cap, const Tensor& targets,
                        int64_t ignore_index, double factor) {
    const LogitHead head{weight, bias.value_or(Tensor()), scale, soft_cap};
    const Wanted wanted{x.requires_grad(), weight.requires_grad(), bias && bias->requires_grad()};
    LossAndGradients out = loss_and_gradients(x, head, targets, ignore_index, factor, wanted);
    context->saved_data["x"] = out.x;
    context->saved_data["weight"] = out.weight;
    context->saved_data["bias"] = out.bias;
    return out.loss;
  }

  // The factor goes into the gradients themselves, which are then given away: a copy of the weight's would double the memory.
  static tensor_list backward(AutogradContext* context, tensor_list grads) {
    check(context->saved_data.count("x") == 1,
          "linear_cross_entropy: a second backward of one loss; its gradients are gone");
    tensor_list out(8);
    int place = 0;
    for (const char* name : {"x", "weight", "bias"}) {
      Tensor gradient = context->saved_data[name].toTensor();
      if (gradient.defined() && grads[0].item<double>() != 1) gradient.mul_(grads[0]);
      out[place++] = gradient;
    }
    context->saved_data.clear();
    return out;
  }
};

bool needs_gradient(const Tensor& tensor) { return tensor.defined() && tensor.requires_grad(); }

}  // namespace

Tensor linear_cross_entropy(const Tensor& x, const LogitHead& head, const Tensor& targets, int64_t ignore_index,
                            double factor) {
  check(factor != 0, "linear_cross_entropy: factor must not be 0");
  check_targets("linear_cross_entropy", x, head, targets, ignore_index);
  const bool any = needs_gradient(x) || needs_gradient(head.weight) || needs_gradient(head.bias);
  if (!at::GradMode::is_enabled() || !any) return loss_and_gradients(x, head, targets, ignore_index, factor, {}).loss;
  const auto bias = head.bias.defined() ? std::optional(head.bias) : std::nullopt;
  check(!packed_matrix(head.weight), "linear_cross_entropy: a packed weight has no gradients");
  return CrossEntropyFunction::apply(x, head.weight, bias, head.scale, head.soft_cap, targets, ignore_index, factor);
}

TokenScores score_targets(const Tensor& x, const Norm& norm, const LogitHead& head, const Tensor& targets,
                          int64_t ignore_index) {
  check_targets("score_targets", x, head, targets, ignore_index);
  const at::NoGradGuard no_grad;
  const int64_t tokens = x.size(0), vocabulary = head.weight.size(0);
  const auto sums = x.options().dtype(sum_type(x));
  const Tensor weight = operand(head.weight, x.scalar_type());
  const int64_t block = block_tokens(tokens, vocabulary, x.size(1), c10::elementSize(sum_type(x)));
  const Tensor buffer = at::empty({block, vocabulary}, sums);
  const TokenScores out{at::empty({tokens}, sums.dtype(at::kDouble)), at::empty({tokens}, sums.dtype(at::kLong))};
  for (int64_t begin = 0; begin < tokens; begin += block) {
    const int64_t count = std::min(block, tokens - begin);
    const Tensor rows = buffer.narrow(0, 0, count);
    const Tensor normal = normalize(x.narrow(0, begin, count), norm);
    affine_into(rows, operand(normal, x.scalar_type()), weight, head.bias);
    const RowScores scores = softmax_rows_(rows, head, targets.narrow(0, begin, count), ignore_index, 0, true);
    out.log_prob.narrow(0, begin, count).copy_(scores.log_prob);
    out.rank.narrow(0, begin, count).copy_(scores.rank);
  }
  return out;
}

Tensor logits(const Tensor& x, const LogitHead& head) {
  check_head("logits", x, head);
  const at::NoGradGuard no_grad;
  const Tensor rows = at::empty({x.size(0), head.weight.size(0)}, x.options().dtype(sum_type(x)));
  affine_into(rows, operand(x, x.scalar_type()), operand(head.weight, x.scalar_type()), head.bias);
  finish_logits_(rows, head);
  return rows;
}

}  // namespace longhaul
