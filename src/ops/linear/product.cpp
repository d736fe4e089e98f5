#include "ops/linear/product.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

namespace longhaul {

at::ScalarType product_type(const Tensor& x, ComputeType compute) {
  if (x.scalar_type() == at::kDouble) return at::kDouble;
  return compute == ComputeType::bf16 ? at::kBFloat16 : at::kFloat;
}

Tensor product(const Tensor& a, const Tensor& b) {
  const at::ScalarType type = a.scalar_type() == at::kBFloat16 ? at::kFloat : a.scalar_type();
  Tensor out = at::empty({a.size(0), b.size(1)}, a.options().dtype(type));
  product_into(out, a, b);
  return out;
}

void product_into(const Tensor& out, const Tensor& a, const Tensor& b, double alpha, double beta) {
  const at::ScalarType type = out.scalar_type();
  Tensor result = out;
  at::addmm_out(result, out, a.to(type), b.to(type), beta, alpha);
}

}  // namespace longhaul
