#include "ops/running_sum/running_sum.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "base/error.h"
#include "ops/op.h"

namespace longhaul {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// One task per sequence: the order of the sum is the sequence's own, whatever the thread count.
template <class From, class To, bool kReverse>
void sum_rows(const From* in, const double* initial, To* out, const std::vector<int64_t>& offsets, int64_t heads) {
  at::parallel_for(0, static_cast<int64_t>(offsets.size()) - 1, 1, [&](int64_t first, int64_t last) {
    std::vector<double> sum(heads);
    for (int64_t b = first; b < last; ++b) {
      for (int64_t h = 0; h < heads; ++h) sum[h] = initial ? initial[b * heads + h] : 0.0;
      for (int64_t n = offsets[b + 1] - offsets[b], i = 0; i < n; ++i) {
        int64_t row = (offsets[b] + (kReverse ? n - 1 - i : i)) * heads;
        for (int64_t h = 0; h < heads; ++h) {
          sum[h] += static_cast<double>(in[row + h]);
          out[row + h] = static_cast<To>(sum[h]);
        }
      }
    }
  });
}

struct RunningSum : Function<RunningSum> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const std::vector<int64_t>& offsets,
                        const std::optional<Tensor>& initial) {
    ctx->saved_data["offsets"] = offsets;
    ctx->saved_data["dtype"] = static_cast<int64_t>(x.scalar_type());
    Tensor in = x.contiguous(), out = at::empty(x.sizes(), x.options().dtype(at::kDouble));
    Tensor start = initial ? initial->to(at::kDouble).contiguous() : Tensor();
    AT_DISPATCH_FLOATING_TYPES_AND2(at::kBFloat16, at::kHalf, x.scalar_type(), "running_sum", [&] {
      sum_rows<scalar_t, double, false>(in.const_data_ptr<scalar_t>(),
                                        start.defined() ? start.const_data_ptr<double>() : nullptr,
                                        out.mutable_data_ptr<double>(), offsets, x.size(1));
    });
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto offsets = ctx->saved_data["offsets"].toIntVector();
    auto dtype = static_cast<at::ScalarType>(ctx->saved_data["dtype"].toInt());
    Tensor grad = grads[0].to(at::kDouble).contiguous();
    Tensor out = at::empty(grad.sizes(), grad.options().dtype(dtype));
    AT_DISPATCH_FLOATING_TYPES_AND2(at::kBFloat16, at::kHalf, dtype, "running_sum_backward", [&] {
      sum_rows<double, scalar_t, true>(grad.const_data_ptr<double>(), nullptr, out.mutable_data_ptr<scalar_t>(),
                                       offsets, grad.size(1));
    });
    return {out, Tensor(), Tensor()};
  }
};

}  // namespace

Tensor running_sum(const Tensor& x, const std::vector<int64_t>& offsets, const Tensor& initial) {
  check(x.dim() == 2 && x.size(0) == offsets.back(), "running_sum: x must be [T, H] with T = ", offsets.back(),
        ", got ", x.sizes());
  int64_t count = static_cast<int64_t>(offsets.size()) - 1;
  check(!initial.defined() || (initial.dim() == 2 && initial.size(0) == count && initial.size(1) == x.size(1)),
        "running_sum: initial must be [B, H] = [", count, ", ", x.size(1), "]");
  check(x.device().is_cpu(), "running_sum: wanted a CPU tensor, got one on ", x.device());
  return RunningSum::apply(x, offsets, initial.defined() ? std::optional<Tensor>(initial) : std::nullopt);
}

LH_REGISTER(Ops, "running_sum", "prefix sums of packed sequences in double", [] {
  return OpPaths{"own loop", "none, a tensor there is an error"};
});

}  // namespace longhaul
