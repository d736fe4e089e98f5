// Dispatch of the matrix products. Ours are f32 on the CPU, with one exception: a few rows times a matrix that does not lie as
// [columns, depth]. No layer multiplies so, and ATen takes it, as it takes other types and devices.
#include "ops/linear/product.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

#include "base/error.h"
#include "ops/in_type.h"
#include "ops/linear/packed_weight.h"
#include "ops/linear/product_cpu.h"

namespace longhaul {

at::ScalarType product_type(const Tensor& x, ComputeType compute) {
  if (x.scalar_type() == at::kDouble) return at::kDouble;
  return compute == ComputeType::bf16 ? at::kBFloat16 : at::kFloat;
}

Tensor operand(const Tensor& x, at::ScalarType type) {
  if (packed_matrix(x)) return x;
  if (type == at::kBFloat16) return x.to(at::kBFloat16).to(at::kFloat);
  return in_type(x, type);
}

namespace {

constexpr int64_t kFewRows = 12;  // fewer are not worth the packing

bool is_f32_here(const Tensor& tensor) { return tensor.is_cpu() && tensor.scalar_type() == at::kFloat; }

}  // namespace

void product_into(const Tensor& out, const Tensor& a, const Tensor& b, double beta) {
  check(out.dim() == 2 && a.dim() == 2 && b.dim() == 2 && a.size(0) == out.size(0) && b.size(1) == out.size(1) &&
            a.size(1) == b.size(0),
        "product: ", Shown{a}, " times ", Shown{b}, " cannot give ", Shown{out});
  if (is_f32_here(out) && is_f32_here(a) && is_f32_here(b) && (beta == 0 || beta == 1) && out.stride(1) == 1 &&
      a.size(1) > 0) {
    const ProductTask task{out.size(0),
                           out.size(1),
                           a.size(1),
                           a.const_data_ptr<float>(),
                           a.stride(0),
                           a.stride(1),
                           b.const_data_ptr<float>(),
                           b.stride(0),
                           b.stride(1),
                           out.mutable_data_ptr<float>(),
                           out.stride(0),
                           beta == 1};
    if (task.rows >= kFewRows) return product_cpu(task);
    if (task.a_step == 1 && task.b_step == 1) return product_few_rows_cpu(task);
  }
  Tensor result = out;
  if (beta == 0) {
    at::mm_out(result, a, b);
  } else {
    at::addmm_out(result, out, a, b, beta);
  }
}

void affine_into(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (const PackedMatrix* packed = packed_matrix(weight)) return packed_affine_into(out, x, *packed, bias);
  if (bias.defined()) out.copy_(bias.expand_as(out));
  product_into(out, x, weight.t(), bias.defined() ? 1 : 0);
}

}  // namespace longhaul
