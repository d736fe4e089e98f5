// One query tile through all its key tiles with the online softmax (Milakov and Gimelshein 2018; Dao et al. 2022), from the
// diagonal to the left, so that a decaying bias lets it stop early.
#include "ops/attention/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/attention/attention_forward_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/attention/skipping-inl.h"
#include "ops/op.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::HWY_NAMESPACE {

template <Form form>
class Forward {
 public:
  HWY_INLINE Forward(const Setting& setting, const Keys& keys, const Rows& rows, ForwardScratch& scratch)
      : setting_(setting), keys_(keys), rows_(rows), scratch_(scratch), dim_(setting.padded_dim) {}

  HWY_INLINE TileCount run(double* lse) {
    start();
    const int64_t end = seen_end(setting_, keys_.count, rows_.index + rows_.count - 1);
    const int64_t begin = setting_.window > 0 ? std::max<int64_t>(0, rows_.index - setting_.window + 1) : 0;
    if (end <= begin) {
      finish(lse);
      return {};
    }
    const int64_t last = (end - 1) / kKeyTile, first = begin / kKeyTile;
    TileCount count{last - first + 1, 0};
    for (int64_t tile = last; tile >= first; --tile) {
      const int64_t nearest = rows_.index - (tile * kKeyTile + kKeyTile - 1);
      if (nearest > 0 && negligible<form>(setting_, keys_, rows_, keys_.prefix, tile, (tile - first + 1) * kKeyTile,
                                          nearest, scratch_.maximum, scratch_.sum)) {
        count.skipped = tile - first + 1;
        break;
      }
      add_tile(tile, std::max(tile - 1, first));
    }
    finish(lse);
    return count;
  }

 private:
  HWY_INLINE void start() {
    std::fill_n(scratch_.maximum, kQueryTile, kNoKey);
    std::fill_n(scratch_.sum, kQueryTile, 0.0f);
    std::fill_n(scratch_.out, rows_.count * dim_, 0.0f);
  }

  HWY_INLINE void add_tile(int64_t tile, int64_t next) {
    const int64_t first_key = tile * kKeyTile;
    take_keys(tile, next), take_values(tile, next);
    const bool full = visible(setting_, keys_.count, rows_.index, first_key).full() &&
                      visible(setting_, keys_.count, rows_.index + rows_.count - 1, first_key).full();
    if (full) return add_strip(first_key, 0, rows_.count, kKeyTile);
    for (int64_t r = 0; r < rows_.count; r += kStrip) {
      const int64_t end = std::min(rows_.count, r + kStrip);
      const int64_t columns = strip_columns(setting_, keys_.count, rows_, end, first_key);
      if (columns > 0) add_strip(first_key, r, end, columns);
    }
  }

  HWY_INLINE Strided rows_of_tile(const Strided& rows, int64_t tile) const {
    if (keys_.pages == nullptr) return from(rows, tile * kKeyTile);
    return moved(rows, keys_.pages[tile] * keys_.page_numbers, keys_.pages[tile] * keys_.page_scales);
  }

  HWY_INLINE int64_t keys_of(int64_t tile) const { return std::min(kKeyTile, keys_.count - tile * kKeyTile); }

  // Where a tile of a pool lies, if it can be multiplied as it is. What is behind the last key may be anything: the mask hides
  // its logits, but its values, times 0, may be no 0.
  HWY_INLINE const float* keys_in_place(int64_t tile) const {
    if (keys_.pages == nullptr || keys_.k_rows.storage != Storage::f32) return nullptr;
    return static_cast<const float*>(rows_of_tile(keys_.k_rows, tile).data);
  }
  HWY_INLINE const float* values_in_place(int64_t tile) const {
    const bool ready = keys_.v_rows.storage == Storage::f32 && setting_.head_dim == dim_;
    if (keys_.pages == nullptr || !ready || keys_of(tile) < kKeyTile) return nullptr;
    return static_cast<const float*>(rows_of_tile(keys_.v_rows, tile).data);
  }

  HWY_INLINE void take_keys(int64_t tile, int64_t next) {
    if (keys_.k_transposed != nullptr) {
      k_ = keys_.k_transposed + tile * kKeyTile * dim_;
      return;
    }
    k_ = keys_in_place(tile), k_next_ = keys_in_place(next);
    if (k_ != nullptr) return;
    k_ = scratch_.k_transposed;
    const Strided rows = rows_of_tile(keys_.k_rows, tile);
    if (keys_.pages != nullptr) return widen_tile(rows, setting_.head_dim, scratch_.k_transposed);
    pack_tile(rows, keys_of(tile), setting_.head_dim, scratch_.k);
    transpose_tile(scratch_.k, dim_, dim_, scratch_.k_transposed);
  }

  HWY_INLINE void take_values(int64_t tile, int64_t next) {
    if (keys_.v != nullptr) {
      v_ = keys_.v + tile * kKeyTile * dim_;
      return;
    }
    v_ = values_in_place(tile), v_next_ = values_in_place(next);
    if (v_ != nullptr) return;
    pack_tile(rows_of_tile(keys_.v_rows, tile), keys_of(tile), setting_.head_dim, scratch_.v);
    v_ = scratch_.v;
  }

  // Rows [begin, end) and the first `columns` keys of the tile.
  HWY_INLINE void add_strip(int64_t first_key, int64_t begin, int64_t end, int64_t columns) {
    float* logits = scratch_.logits + begin * kKeyTile;
    float* out = scratch_.out + begin * dim_;
    const Product qk{rows_.q + begin * dim_, dim_,    1,      k_, kKeyTile, logits, kKeyTile, end - begin, columns,
                     setting_.head_dim,      nullptr, k_next_};
    k_next_ == nullptr ? product<Into::store>(qk) : product<Into::store, /*asks=*/true>(qk);
    if (setting_.cap > 0) soften(logits, end - begin, columns);
    for (int64_t r = begin; r < end; ++r) add_row(first_key, r, columns);
    const Product pv{logits, kKeyTile, 1, v_, dim_, out, dim_, end - begin, dim_, columns, scratch_.factor + begin,
                     v_next_};
    v_next_ == nullptr ? product<Into::scale_and_add>(pv) : product<Into::scale_and_add, /*asks=*/true>(pv);
  }

  HWY_INLINE void soften(float* logits, int64_t count, int64_t columns) const {
    const Floats d;
    const Vector cap = hn::Set(d, setting_.cap), inverse = hn::Set(d, 1 / setting_.cap);
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t c = 0; c < columns; c += lanes()) {
        float* x = logits + r * kKeyTile + c;
        hn::StoreU(hn::Mul(cap, hn::Tanh(d, hn::Mul(hn::LoadU(d, x), inverse))), d, x);
      }
    }
  }

  // Logits of a row to weights relative to its running maximum; factor is what the sums so far have to be scaled by. The row
  // stays in registers between the two passes.
  HWY_INLINE void add_row(int64_t first_key, int64_t r, int64_t columns) {
    const Floats d;
    const int64_t n = lanes();
    float* x = scratch_.logits + r * kKeyTile;
    const Span span = visible(setting_, keys_.count, rows_.index + r, first_key);
    const RowBias<form> bias(keys_, rows_, r, first_key);
    const Vector hidden = hn::Set(d, -INFINITY);
    Vector logit[kVectors];
    if (span.full()) {
      LH_UNROLL for (int v = 0; v < kVectors; ++v) logit[v] = bias.add(hn::LoadU(d, x + v * n), v * n);
    } else {
      LH_UNROLL for (int v = 0; v < kVectors; ++v) {
        logit[v] = hidden;
        if (v * n < columns) {
          logit[v] = hn::IfThenElse(mask_of(span, v * n), bias.add(hn::LoadU(d, x + v * n), v * n), hidden);
        }
      }
    }
    Vector most = logit[0];
    LH_UNROLL for (int v = 1; v < kVectors; ++v) most = hn::Max(most, logit[v]);
    const float before = scratch_.maximum[r];
    const float maximum = std::max(before, hn::GetLane(hn::MaxOfLanes(d, most)));
    const float factor = maximum == before ? 1.0f : hn::GetLane(exp2(hn::Set(d, before - maximum)));
    const Vector reference = hn::Set(d, maximum);
    Vector sum = hn::Zero(d);
    LH_UNROLL for (int v = 0; v < kVectors; ++v) {
      const Vector p = exp2(hn::Sub(logit[v], reference));
      hn::StoreU(p, d, x + v * n);
      sum = hn::Add(sum, p);
    }
    scratch_.maximum[r] = maximum;
    scratch_.factor[r] = factor;
    scratch_.sum[r] = scratch_.sum[r] * factor + hn::GetLane(hn::SumOfLanes(d, sum));
  }

  HWY_INLINE void finish(double* lse) {
    const Floats d;
    for (int64_t r = 0; r < rows_.count; ++r) {
      const float sum = scratch_.sum[r];
      const Vector share = hn::Set(d, sum == 0 ? 0.0f : 1 / sum);
      for (int64_t c = 0; c < dim_; c += lanes()) {
        float* x = scratch_.out + r * dim_ + c;
        hn::StoreU(hn::Mul(hn::LoadU(d, x), share), d, x);
      }
      lse[r] = sum == 0 ? -kNoKey : scratch_.maximum[r] + std::log2(static_cast<double>(sum));
    }
  }

  static constexpr int kVectors = kKeyTile / hn::MaxLanes(Floats());  // of a row of logits

  const Setting& setting_;
  const Keys& keys_;
  const Rows& rows_;
  ForwardScratch& scratch_;
  const int64_t dim_;
  const float *k_ = nullptr, *v_ = nullptr;            // of the tile at hand: [D][kKeyTile], [kKeyTile][Dp]
  const float *k_next_ = nullptr, *v_next_ = nullptr;  // of the next one, where it is read in place
};

HWY_ATTR TileCount ForwardRows(const Setting& setting, const Keys& keys, const Rows& rows, ForwardScratch& scratch,
                               double* lse) {
  switch (setting.form) {
    case Form::none: return Forward<Form::none>(setting, keys, rows, scratch).run(lse);
    case Form::distance: return Forward<Form::distance>(setting, keys, rows, scratch).run(lse);
    case Form::separable: return Forward<Form::separable>(setting, keys, rows, scratch).run(lse);
    case Form::separable_both: return Forward<Form::separable_both>(setting, keys, rows, scratch).run(lse);
    case Form::kernel: return Forward<Form::kernel>(setting, keys, rows, scratch).run(lse);
    case Form::dense: return Forward<Form::dense>(setting, keys, rows, scratch).run(lse);
  }
  return {};
}

}  // namespace longhaul::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
HWY_EXPORT(ForwardRows);

kernels::TileCount kernels::forward_rows(const Setting& setting, const Keys& keys, const Rows& rows,
                                         ForwardScratch& scratch, double* lse) {
  return HWY_DYNAMIC_DISPATCH(ForwardRows)(setting, keys, rows, scratch, lse);
}

LH_REGISTER(Ops, "attention", "softmax attention over packed sequences with any bias", [] {
  return OpPaths{"own fused kernel, " + vector_target(HWY_TARGETS) + "; f64: composition of ATen ops",
                 kAtenComposition};
});

}  // namespace longhaul
#endif
