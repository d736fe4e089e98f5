#include "ops/embedding/embedding.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros_like.h>

#include "base/error.h"
#include "ops/linear/packed_weight.h"
#include "ops/op.h"

namespace longhaul {
namespace {

// to[tokens[t]] += rows[t], in the order of t; threads share the columns.
void add_rows(const Tensor& to, const Tensor& tokens, const Tensor& rows) {
  if (!to.is_cpu()) {
    Tensor(to).index_add_(0, tokens, rows);
    return;
  }
  const int64_t width = to.size(1), count = tokens.size(0);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, to.scalar_type(), "embedding", [&] {
    scalar_t* sums = to.mutable_data_ptr<scalar_t>();
    const scalar_t* from = rows.const_data_ptr<scalar_t>();
    const int64_t* at = tokens.const_data_ptr<int64_t>();
    at::parallel_for(0, width, std::max<int64_t>(16, 32768 / std::max<int64_t>(count, 1)),
                     [&](int64_t first, int64_t last) {
                       for (int64_t t = 0; t < count; ++t)
                         for (int64_t c = first; c < last; ++c) sums[at[t] * width + c] += from[t * width + c];
                     });
  });
}

}  // namespace

Tensor embedding_rows(const Tensor& table, const Tensor& tokens) {
  check(table.dim() == 2 && table.is_contiguous(), "embedding_rows: table must be a contiguous [V, C], got ",
        Shown{table});
  check(tokens.dim() == 1 && tokens.scalar_type() == at::kLong, "embedding_rows: tokens must be int64 [T], got ",
        Shown{tokens});
  if (tokens.numel() > 0) {
    const int64_t least = tokens.min().item<int64_t>(), most = tokens.max().item<int64_t>();
    check(least >= 0 && most < table.size(0), "embedding_rows: tokens must be in [0, ", table.size(0), "), got ",
          least < 0 ? least : most);
  }
  if (const PackedMatrix* packed = packed_matrix(table)) return packed_rows(*packed, tokens);
  const Tensor rows = at::index_select(table.detach(), 0, tokens);
  if (!at::GradMode::is_enabled() || !table.requires_grad()) return rows;
  check(table.is_leaf(), "embedding_rows: table must be a parameter, not a result");
  rows.requires_grad_(true);
  rows.register_hook([table, tokens](const Tensor& gradient) {
    const at::NoGradGuard off;
    Tensor& sums = table.mutable_grad();
    if (!sums.defined()) sums = at::zeros_like(table);
    add_rows(sums, tokens, gradient.contiguous());
  });
  return rows;
}

LH_REGISTER(Ops, "embedding", "rows of a table of token embeddings", [] {
  return OpPaths{"composition of ATen ops, own backward", kAtenComposition};
});

}  // namespace longhaul
