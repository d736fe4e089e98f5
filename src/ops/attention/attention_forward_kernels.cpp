// Query tiles through all their key tiles with the online softmax (Milakov and Gimelshein 2018; Dao et al. 2022): from the
// diagonal to the left where a decaying bias may let them stop early, else in the order in which keys lie in memory.
#include "ops/attention/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/attention/attention_forward_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/attention/attention_packing.h"
#include "ops/attention/skipping-inl.h"
#include "ops/attention/two_products-inl.h"
#include "ops/op.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::HWY_NAMESPACE {

template <Form form>
class Forward {
 public:
  HWY_INLINE Forward(const Setting& setting, ForwardTile& tile)
      : setting_(setting), tile_(tile), dim_(setting.padded_dim) {}

  HWY_INLINE void run(Lane* lanes, int64_t count) {
    for (int64_t n = 0; n < count; ++n) start(lanes[n]);
    walk(lanes, count);
    for (int64_t n = 0; n < count; ++n) finish(lanes[n]);
  }

 private:
  HWY_INLINE void start(Lane& lane) {
    lane.count = {};
    std::fill_n(lane.scratch->maximum, kQueryTile, kNoKey);
    std::fill_n(lane.scratch->sum, kQueryTile, 0.0f);
    std::fill_n(lane.scratch->out, lane.rows.count * dim_, 0.0f);
  }

  HWY_INLINE void walk(Lane* lanes, int64_t count) {
    const Rows& rows = lanes->rows;
    const int64_t end = seen_end(setting_, lanes->keys.count, rows.index + rows.count - 1);
    const int64_t begin = setting_.window > 0 ? std::max<int64_t>(0, rows.index - setting_.window + 1) : 0;
    if (end <= begin) return;
    const int64_t last = (end - 1) / kKeyTile, first = begin / kKeyTile;
    Lane* open[kLanes];
    for (int64_t n = 0; n < count; ++n) open[n] = lanes + n, lanes[n].count.tiles = last - first + 1;
    const bool skips = lanes->keys.prefix.k_norm != nullptr;
    if (rows.count == 1 && !skips && fits_turns(dim_) && keys_in_place(lanes->keys, first) &&
        values_in_place(lanes->keys, first)) {
      return walk_in_turns(lanes, count, first, last);
    }
    for (int64_t seen = 0; seen <= last - first && count > 0; ++seen) {
      const int64_t tile = skips ? last - seen : first + seen;
      const int64_t next = skips ? std::max(tile - 1, first) : std::min(tile + 1, last);
      int64_t left = 0;
      for (int64_t n = 0; n < count; ++n) {
        Lane& lane = *open[n];
        if (rest_is_negligible(lane, tile, first)) {
          lane.count.skipped = tile - first + 1;
          continue;
        }
        open[left++] = &lane;
        n + 1 < count ? expect(*open[n + 1], tile) : expect(*open[0], next);
        add_tile(lane, tile);
      }
      count = left;
    }
  }

  // Single rows over keys and values that lie ready, in which reading them is all the time it takes: the values of a tile are added
  // while the logits of the next one are made.
  HWY_INLINE void walk_in_turns(Lane* lanes, int64_t count, int64_t first, int64_t last) {
    const int64_t steps = (last - first + 1) * count;
    Lane* lane = lanes;
    int64_t tile = first, columns = columns_of(*lane, tile);
    float* logits = logits_of(*lane, 0);
    product<Into::store>(row_logits(*lane, tile, columns, logits));
    for (int64_t step = 1;; ++step) {
      add_logits(*lane, tile, columns, logits);
      const Product values = row_values(*lane, tile, columns, logits);
      if (step == steps) return product<Into::scale_and_add>(values);
      lane = lanes + step % count, tile = first + step / count, columns = columns_of(*lane, tile);
      logits = logits_of(*lane, step);
      two_products<Into::store, Into::scale_and_add>(row_logits(*lane, tile, columns, logits), values);
    }
  }

  HWY_INLINE int64_t columns_of(const Lane& lane, int64_t tile) const {
    return strip_columns(setting_, lane.keys.count, lane.rows, 1, tile * kKeyTile);
  }
  // A lane alone meets its next tile while this one's weights are in use.
  static HWY_INLINE float* logits_of(Lane& lane, int64_t step) { return lane.scratch->logits + step % 2 * kKeyTile; }
  HWY_INLINE Product row_logits(const Lane& lane, int64_t tile, int64_t columns, float* logits) const {
    const float* keys = keys_in_place(lane.keys, tile);
    return {lane.rows.q, dim_, 1, keys, kKeyTile, logits, kKeyTile, 1, columns, setting_.head_dim};
  }
  HWY_INLINE Product row_values(const Lane& lane, int64_t tile, int64_t columns, const float* weights) const {
    const int64_t depth = std::min(columns, lane.keys.count - tile * kKeyTile);
    ForwardSums& sums = *lane.scratch;
    return {weights, kKeyTile, 1, values_in_place(lane.keys, tile), dim_, sums.out, dim_, 1, dim_, depth, sums.factor};
  }
  HWY_INLINE void add_logits(Lane& lane, int64_t tile, int64_t columns, float* logits) {
    if (setting_.cap > 0) soften(logits, 1, columns);
    add_row(lane, tile * kKeyTile, 0, columns, logits);
  }

  HWY_INLINE bool rest_is_negligible(const Lane& lane, int64_t tile, int64_t first) const {
    const int64_t nearest = lane.rows.index - (tile * kKeyTile + kKeyTile - 1);
    return nearest > 0 &&
           negligible<form>(setting_, lane.keys, lane.rows, lane.keys.prefix, tile, (tile - first + 1) * kKeyTile,
                            nearest, lane.scratch->maximum, lane.scratch->sum);
  }

  HWY_INLINE void add_tile(Lane& lane, int64_t tile) {
    const int64_t first_key = tile * kKeyTile, keys = lane.keys.count;
    const Rows& rows = lane.rows;
    take_keys(lane.keys, tile), take_values(lane.keys, tile);
    const bool full = visible(setting_, keys, rows.index, first_key).full() &&
                      visible(setting_, keys, rows.index + rows.count - 1, first_key).full();
    if (full) return add_strip(lane, first_key, 0, rows.count, kKeyTile);
    for (int64_t r = 0; r < rows.count; r += kStrip) {
      const int64_t end = std::min(rows.count, r + kStrip);
      const int64_t columns = strip_columns(setting_, keys, rows, end, first_key);
      if (columns > 0) add_strip(lane, first_key, r, end, columns);
    }
  }

  static HWY_INLINE Strided rows_of_tile(const Keys& keys, const Strided& rows, int64_t tile) {
    if (keys.pages == nullptr) return from(rows, tile * kKeyTile);
    return moved(rows, keys.pages[tile] * keys.page_numbers, keys.pages[tile] * keys.page_scales);
  }

  static HWY_INLINE int64_t keys_of(const Keys& keys, int64_t tile) {
    return std::min(kKeyTile, keys.count - tile * kKeyTile);
  }

  // Where a tile of a pool lies, if it can be multiplied as it is. What is behind the last key may be anything: the mask hides
  // its logits, and its values are left out (times 0 they may be no 0).
  static HWY_INLINE const float* keys_in_place(const Keys& keys, int64_t tile) {
    if (keys.pages == nullptr || keys.k_rows.storage != Storage::f32) return nullptr;
    return static_cast<const float*>(rows_of_tile(keys, keys.k_rows, tile).data);
  }
  HWY_INLINE const float* values_in_place(const Keys& keys, int64_t tile) const {
    const bool ready = keys.v_rows.storage == Storage::f32 && setting_.head_dim == dim_;
    if (keys.pages == nullptr || !ready) return nullptr;
    return static_cast<const float*>(rows_of_tile(keys, keys.v_rows, tile).data);
  }

  // What comes behind the tile at hand.
  HWY_INLINE void expect(const Lane& lane, int64_t tile) {
    k_next_ = keys_in_place(lane.keys, tile), v_next_ = values_in_place(lane.keys, tile);
  }

  HWY_INLINE void take_keys(const Keys& keys, int64_t tile) {
    if (keys.k_transposed != nullptr) {
      k_ = keys.k_transposed + tile * kKeyTile * dim_;
      return;
    }
    k_ = keys_in_place(keys, tile);
    if (k_ != nullptr) return;
    k_ = tile_.k_transposed;
    const Strided rows = rows_of_tile(keys, keys.k_rows, tile);
    if (keys.pages != nullptr) return widen_tile(rows, setting_.head_dim, tile_.k_transposed);
    pack_tile(rows, keys_of(keys, tile), setting_.head_dim, tile_.k);
    transpose_tile(tile_.k, dim_, dim_, tile_.k_transposed);
  }

  HWY_INLINE void take_values(const Keys& keys, int64_t tile) {
    if (keys.v != nullptr) {
      v_ = keys.v + tile * kKeyTile * dim_;
      return;
    }
    v_ = values_in_place(keys, tile);
    if (v_ != nullptr) return;
    pack_tile(rows_of_tile(keys, keys.v_rows, tile), keys_of(keys, tile), setting_.head_dim, tile_.v);
    v_ = tile_.v;
  }

  // Rows [begin, end) and the first `columns` keys of the tile.
  HWY_INLINE void add_strip(Lane& lane, int64_t first_key, int64_t begin, int64_t end, int64_t columns) {
    ForwardSums& scratch = *lane.scratch;
    float* logits = scratch.logits + begin * kKeyTile;
    float* out = scratch.out + begin * dim_;
    const Product qk{lane.rows.q + begin * dim_, dim_,    1,      k_, kKeyTile, logits, kKeyTile, end - begin, columns,
                     setting_.head_dim,          nullptr, k_next_};
    k_next_ == nullptr ? product<Into::store>(qk) : product<Into::store, /*asks=*/true>(qk);
    if (setting_.cap > 0) soften(logits, end - begin, columns);
    for (int64_t r = begin; r < end; ++r) add_row(lane, first_key, r, columns, scratch.logits + r * kKeyTile);
    const int64_t depth = std::min(columns, lane.keys.count - first_key);
    const Product pv{logits, kKeyTile, 1, v_, dim_, out, dim_, end - begin, dim_, depth, scratch.factor + begin,
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
  HWY_INLINE void add_row(Lane& lane, int64_t first_key, int64_t r, int64_t columns, float* x) {
    ForwardSums& scratch = *lane.scratch;
    const Floats d;
    const int64_t n = lanes();
    const Span span = visible(setting_, lane.keys.count, lane.rows.index + r, first_key);
    const RowBias<form> bias(lane.keys, lane.rows, r, first_key);
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
    const float before = scratch.maximum[r];
    const float maximum = std::max(before, hn::GetLane(hn::MaxOfLanes(d, most)));
    const float factor = maximum == before ? 1.0f : hn::GetLane(exp2(hn::Set(d, before - maximum)));
    const Vector reference = hn::Set(d, maximum);
    Vector sum = hn::Zero(d);
    LH_UNROLL for (int v = 0; v < kVectors; ++v) {
      const Vector p = exp2(hn::Sub(logit[v], reference));
      hn::StoreU(p, d, x + v * n);
      sum = hn::Add(sum, p);
    }
    scratch.maximum[r] = maximum;
    scratch.factor[r] = factor;
    scratch.sum[r] = scratch.sum[r] * factor + hn::GetLane(hn::SumOfLanes(d, sum));
  }

  HWY_INLINE void finish(Lane& lane) {
    ForwardSums& scratch = *lane.scratch;
    const Floats d;
    for (int64_t r = 0; r < lane.rows.count; ++r) {
      const float sum = scratch.sum[r];
      const Vector share = hn::Set(d, sum == 0 ? 0.0f : 1 / sum);
      for (int64_t c = 0; c < dim_; c += lanes()) {
        float* x = scratch.out + r * dim_ + c;
        hn::StoreU(hn::Mul(hn::LoadU(d, x), share), d, x);
      }
      lane.lse[r] = sum == 0 ? -kNoKey : scratch.maximum[r] + std::log2(static_cast<double>(sum));
    }
  }

  static constexpr int kVectors = kKeyTile / hn::MaxLanes(Floats());  // of a row of logits

  const Setting& setting_;
  ForwardTile& tile_;
  const int64_t dim_;
  const float *k_ = nullptr, *v_ = nullptr;            // of the tile at hand: [D][kKeyTile], [kKeyTile][Dp]
  const float *k_next_ = nullptr, *v_next_ = nullptr;  // of the next one, where it is read in place
};

HWY_ATTR void ForwardRows(const Setting& setting, ForwardTile& tile, Lane* lanes, int64_t count) {
  switch (setting.form) {
    case Form::none: return Forward<Form::none>(setting, tile).run(lanes, count);
    case Form::distance: return Forward<Form::distance>(setting, tile).run(lanes, count);
    case Form::separable: return Forward<Form::separable>(setting, tile).run(lanes, count);
    case Form::separable_both: return Forward<Form::separable_both>(setting, tile).run(lanes, count);
    case Form::kernel: return Forward<Form::kernel>(setting, tile).run(lanes, count);
    case Form::dense: return Forward<Form::dense>(setting, tile).run(lanes, count);
  }
}

}  // namespace longhaul::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
HWY_EXPORT(ForwardRows);

void kernels::forward_rows(const Setting& setting, ForwardTile& tile, Lane* lanes, int64_t count) {
  HWY_DYNAMIC_DISPATCH(ForwardRows)(setting, tile, lanes, count);
}

LH_REGISTER(Ops, "attention", "softmax attention over packed sequences with any bias", [] {
  return OpPaths{"own fused kernel, " + vector_target(HWY_TARGETS) + "; f64: composition of ATen ops",
                 kAtenComposition};
});

}  // namespace longhaul
#endif
