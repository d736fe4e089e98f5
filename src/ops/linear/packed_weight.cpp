#include "ops/linear/packed_weight.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
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
  storage->release_data_and_set_meta_custom_data_ptr_error_msg_("this weight is packed: it has no plain numbers");
}

}  // namespace

WeightPacker::WeightPacker(const Tensor& weight, WeightType type) : weight_(weight), type_(type) {
  check((weight.dim() == 2 || weight.dim() == 3) && weight.is_cpu() && weight.scalar_type() == at::kFloat &&
            weight.is_contiguous(),
        "pack_weight: weight must be a contiguous f32 [out, in] or [E, out, in] on the CPU, got ", Shown{weight});
  check(!packed_numbers(weight), "pack_weight: the weight is packed already");
  matrix_rows_ = weight.size(-2), depth_ = weight.size(-1);
  check(depth_ >= 1, "pack_weight: weight must be [out, in] with in >= 1, got ", Shown{weight});
}

void WeightPacker::add(const float* from, int64_t count) {
  check((rows_ + count) * depth_ <= weight_.numel(), "pack_weight: wanted ", weight_.numel() / depth_, " rows, got ",
        rows_ + count);
  while (count > 0) {
    const int64_t taken = take(from, count);
    from += taken * depth_, count -= taken, rows_ += taken;
  }
}

void WeightPacker::add_transposed(const float* from) {
  check(rows_ == 0 && weight_.dim() == 2, "pack_weight: wanted the first rows of a matrix, got those behind ", rows_);
  matrices_.push_back(packed_memory(matrix_rows_, depth_, type_));
  pack_rows(matrices_.back(), 0, matrix_rows_, {from, 1, matrix_rows_});
  rows_ = matrix_rows_;
}

int64_t WeightPacker::take(const float* from, int64_t count) {
  const int64_t row = rows_ % matrix_rows_;
  if (row == 0) matrices_.push_back(packed_memory(matrix_rows_, depth_, type_));
  const int64_t left = matrix_rows_ - row, most = std::min(count, left);
  if (pending_.empty() && (most == left || most >= kPanelRows)) {
    const int64_t whole = most == left ? most : most / kPanelRows * kPanelRows;
    pack_rows(matrices_.back(), row, whole, {from, depth_});
    return whole;
  }
  const int64_t some = std::min(most, kPanelRows - row % kPanelRows);
  pending_.insert(pending_.end(), from, from + some * depth_);
  if ((row + some) % kPanelRows == 0 || some == left) {
    pack_rows(matrices_.back(), row / kPanelRows * kPanelRows, static_cast<int64_t>(pending_.size()) / depth_,
              {pending_.data(), depth_});
    pending_.clear();
  }
  return some;
}

void WeightPacker::finish() {
  check(rows_ * depth_ == weight_.numel(), "pack_weight: wanted ", weight_.numel() / std::max<int64_t>(depth_, 1),
        " rows, got ", rows_);
  auto numbers = c10::make_intrusive<PackedNumbers>();
  if (weight_.dim() == 2) {
    numbers->matrix = std::move(matrices_.at(0));
  } else {
    const Tensor plain = weight_.detach();
    for (size_t i = 0; i < matrices_.size(); ++i) {
      auto one = c10::make_intrusive<PackedNumbers>();
      one->matrix = std::move(matrices_[i]);
      numbers->stack.push_back(plain.select(0, static_cast<int64_t>(i)));
      hang(numbers->stack.back(), std::move(one));
    }
  }
  hang(weight_, std::move(numbers));
  give_memory_back(weight_);
}

void pack_weight(const Tensor& weight, WeightType type) {
  WeightPacker packer(weight, type);
  packer.add(weight.const_data_ptr<float>(), weight.numel() / std::max<int64_t>(weight.size(-1), 1));
  packer.finish();
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
