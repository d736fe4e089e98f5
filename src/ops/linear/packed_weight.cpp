#include "ops/linear/packed_weight.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <utility>
#include <vector>

#include "base/error.h"

namespace longhaul {

namespace {

// What hangs on the tensor: its own matrix, or a tensor for each matrix of a stack.
struct PackedNumbers : c10::BackendMeta {
  PackedMatrix matrix;
  std::vector<Tensor> stack;
};

PackedNumbers* packed_numbers(const Tensor& weight) {
  return dynamic_cast<PackedNumbers*>(weight.unsafeGetTensorImpl()->get_backend_meta());
}

void hang(const Tensor& weight, c10::intrusive_ptr<PackedNumbers> numbers) {
  weight.unsafeGetTensorImpl()->set_backend_meta(std::move(numbers));
}

void give_memory_back(const Tensor& weight) {
  c10::StorageImpl* storage = weight.storage().unsafeGetStorageImpl();
  storage->set_data_ptr_noswap(at::DataPtr(nullptr, at::kCPU));
  storage->set_nbytes(size_t{0});
  storage->set_throw_on_immutable_data_ptr();
}

}  // namespace

void pack_weight(const Tensor& weight, WeightType type) {
  check((weight.dim() == 2 || weight.dim() == 3) && weight.is_cpu() && weight.scalar_type() == at::kFloat &&
            weight.is_contiguous(),
        "pack_weight: weight must be a contiguous f32 [out, in] or [E, out, in] on the CPU, got ", Shown{weight});
  check(!packed_numbers(weight), "pack_weight: the weight is packed already");
  auto numbers = c10::make_intrusive<PackedNumbers>();
  const float* data = weight.const_data_ptr<float>();
  if (weight.dim() == 2) {
    numbers->matrix = pack_matrix(data, weight.size(0), weight.size(1), type);
  } else {
    const Tensor plain = weight.detach();
    for (int64_t i = 0; i < weight.size(0); ++i, data += weight.size(1) * weight.size(2)) {
      auto one = c10::make_intrusive<PackedNumbers>();
      one->matrix = pack_matrix(data, weight.size(1), weight.size(2), type);
      numbers->stack.push_back(plain.select(0, i));
      hang(numbers->stack.back(), std::move(one));
    }
  }
  hang(weight, std::move(numbers));
  give_memory_back(weight);
}

const PackedMatrix* packed_matrix(const Tensor& weight) {
  const PackedNumbers* numbers = packed_numbers(weight);
  return numbers && numbers->stack.empty() ? &numbers->matrix : nullptr;
}

int64_t packed_bytes(const Tensor& weight) {
  const PackedNumbers* numbers = packed_numbers(weight);
  if (!numbers) return 0;
  int64_t bytes = numbers->matrix.bytes();
  for (const Tensor& one : numbers->stack) bytes += packed_bytes(one);
  return bytes;
}

Tensor stacked_weight(const Tensor& stack, int64_t i) {
  const PackedNumbers* numbers = packed_numbers(stack);
  return numbers ? numbers->stack.at(static_cast<size_t>(i)) : stack.select(0, i);
}

void packed_affine_into(const Tensor& out, const Tensor& x, const PackedMatrix& weight, const Tensor& bias) {
  check(x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 2 && x.size(1) == weight.depth,
        "linear: wanted f32 [T, ", weight.depth, "] for a packed weight, got ", Shown{x});
  check(out.size(0) == x.size(0) && out.size(1) == weight.rows && out.stride(1) == 1,
        "linear: a packed weight gives [T, ", weight.rows, "], wanted ", Shown{out});
  const Tensor rows = x.size(1) == 1 || x.stride(1) == 1 ? x : x.contiguous();
  const Tensor added = bias.defined() ? bias.contiguous() : bias;
  multiply_packed({weight, x.size(0), rows.const_data_ptr<float>(), rows.stride(0),
                   added.defined() ? added.const_data_ptr<float>() : nullptr, out.mutable_data_ptr<float>(),
                   out.stride(0)});
}

Tensor packed_rows(const PackedMatrix& weight, const Tensor& tokens) {
  const Tensor rows = at::empty({tokens.size(0), weight.depth}, at::kFloat), host = tokens.contiguous();
  const int64_t* row = host.const_data_ptr<int64_t>();
  float* to = rows.mutable_data_ptr<float>();
  at::parallel_for(0, tokens.size(0), 16, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) unpack_row(weight, row[t], to + t * weight.depth);
  });
  return rows;
}

}  // namespace longhaul
