// Rows of a tensor to the padded float rows and tiles that the vector code computes on, and back. Free of tensors.
#pragma once
#include "ops/attention/attention_kernels.h"

namespace longhaul::kernels {

// to[r][Dp] = from[r][0..D) * factor[r] (factor null: 1).
void pack_rows(const Strided& from, int64_t count, int64_t head_dim, const float* factor, float* to);
// from [kKeyTile][Dp], `row` numbers from one row to the next -> to [Dp][kKeyTile].
void transpose_tile(const float* from, int64_t row, int64_t padded_dim, float* to);
// norms[r] = |rows[r]|, a little rounded up; of a transposed tile, norms[c] = |column c|.
void row_norms(const float* rows, int64_t count, int64_t padded_dim, float* norms);
void column_norms(const float* transposed, int64_t dim, float* norms);
// to[r][0..D) = from[r] * factor.
void unpack_rows(const float* from, int64_t count, int64_t head_dim, float factor, void* to, Storage storage,
                 int64_t row);
// A tile of keys from row 0 of `from`: to[kKeyTile][Dp], zeros beyond `count`.
void pack_tile(const Strided& from, int64_t count, int64_t head_dim, float* to);
// A tile of keys that lies transposed: to[D][kKeyTile].
void widen_tile(const Strided& from, int64_t head_dim, float* to);
// sums[r] = a[r] . b[r]
void row_products(const float* a, const float* b, int64_t count, int64_t padded_dim, float* sums);

}  // namespace longhaul::kernels
