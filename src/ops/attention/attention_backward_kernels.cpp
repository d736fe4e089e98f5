// The gradients of one pair of tiles (Dao et al. 2022, appendix B.4), with the weights computed again from the saved lse.
#include "ops/attention/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/attention/attention_backward_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/attention/skipping-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::HWY_NAMESPACE {

template <Form form>
class Backward {
 public:
  HWY_INLINE Backward(const Setting& setting, const Keys& keys, const KeyTile& tile, const Rows& rows,
                      const RowGradients& grads, BackwardScratch& scratch)
      : setting_(setting),
        keys_(keys),
        tile_(tile),
        rows_(rows),
        grads_(grads),
        scratch_(scratch),
        dim_(setting.padded_dim),
        first_key_(tile.index * kKeyTile) {}

  HWY_INLINE bool run() {
    const int64_t nearest = rows_.index - (first_key_ + kKeyTile - 1);
    if (nearest > 0 && negligible<form>(setting_, keys_, rows_, keys_.tile, tile_.index, rows_.index + rows_.count,
                                        nearest, grads_.lse, nullptr)) {
      return false;
    }
    std::fill_n(scratch_.ds, kKeyTile, 0.0f);
    const bool full = visible(setting_, keys_.count, rows_.index, first_key_).full() &&
                      visible(setting_, keys_.count, rows_.index + rows_.count - 1, first_key_).full();
    if (full) {
      add_strip(0, rows_.count, kKeyTile);
    } else {
      for (int64_t r = 0; r < rows_.count; r += kStrip) {
        const int64_t end = std::min(rows_.count, r + kStrip);
        const int64_t columns = strip_columns(setting_, keys_.count, rows_, end, first_key_);
        if (columns > 0) add_strip(r, end, columns);
      }
    }
    if (grads_.dg != nullptr) {
      for (int64_t c = 0; c < kKeyTile; ++c) grads_.ds[c] += scratch_.ds[c];
    }
    return true;
  }

 private:
  HWY_INLINE void add_strip(int64_t begin, int64_t end, int64_t columns) {
    const int64_t count = end - begin;
    float *p = scratch_.p + begin * kKeyTile, *dp = scratch_.dp + begin * kKeyTile;
    const float *q = rows_.q + begin * dim_, *dout = grads_.dout + begin * dim_;
    product<Into::store>({q, dim_, 1, tile_.k_transposed, kKeyTile, p, kKeyTile, count, columns, dim_});
    product<Into::store>({dout, dim_, 1, tile_.v_transposed, kKeyTile, dp, kKeyTile, count, columns, dim_});
    for (int64_t r = begin; r < end; ++r) {
      if (setting_.cap > 0) {
        add_row<true>(r, columns);
      } else {
        add_row<false>(r, columns);
      }
    }
    product<Into::add>({p, 1, kKeyTile, dout, dim_, tile_.dv, dim_, columns, dim_, count});
    product<Into::add>({dp, 1, kKeyTile, q, dim_, tile_.dk, dim_, columns, dim_, count});
    product<Into::add>({dp, kKeyTile, 1, tile_.k, dim_, grads_.dq + begin * dim_, dim_, count, dim_, columns});
  }

  // Binary logits and dP of a row to P and the gradient of the logits before the soft cap; gradients of the bias on the way.
  template <bool capped>
  HWY_INLINE void add_row(int64_t r, int64_t columns) {
    const Floats d;
    float *p = scratch_.p + r * kKeyTile, *dp = scratch_.dp + r * kKeyTile;
    const Span span = visible(setting_, keys_.count, rows_.index + r, first_key_);
    const bool masked = span.begin > 0 || span.end < columns;
    const RowBias<form> bias(keys_, rows_, r, first_key_);
    const Vector lse = hn::Set(d, grads_.lse[r]), delta = hn::Set(d, grads_.delta[r]);
    const Vector cap = hn::Set(d, setting_.cap), one = hn::Set(d, 1.0f);
    Vector dg = hn::Zero(d), ds_row = hn::Zero(d);
    for (int64_t c = 0; c < columns; c += lanes()) {
      Vector logit = hn::LoadU(d, p + c), tanh;
      if constexpr (capped) {
        tanh = hn::Tanh(d, hn::Div(logit, cap));
        logit = hn::Mul(cap, tanh);
      }
      Vector weight = exp2(hn::Sub(bias.add(logit, c), lse));
      if (masked) weight = hn::IfThenElseZero(mask_of(span, c), weight);
      const Vector da = hn::Mul(weight, hn::Sub(hn::LoadU(d, dp + c), delta));
      add_bias(bias, r, c, da, dg, ds_row);
      hn::StoreU(weight, d, p + c);
      if constexpr (capped) {
        hn::StoreU(hn::Mul(da, hn::NegMulAdd(tanh, tanh, one)), d, dp + c);
      } else {
        hn::StoreU(da, d, dp + c);
      }
    }
    if (grads_.dg == nullptr) return;
    grads_.dg[r] += hn::GetLane(hn::SumOfLanes(d, dg));
    grads_.ds_row[r] += static_cast<double>(rows_.g[r]) * hn::GetLane(hn::SumOfLanes(d, ds_row));
  }

  HWY_INLINE void add_bias(const RowBias<form>& bias, int64_t r, int64_t c, Vector da, Vector& dg,
                           Vector& ds_row) const {
    const Floats d;
    if constexpr (form == Form::distance) {
      if (grads_.ddistance != nullptr) add_distance(r, c, da);
    }
    if constexpr (form == Form::dense) {
      if (grads_.ddense != nullptr) hn::StoreU(da, d, grads_.ddense + r * rows_.dense_row + first_key_ + c);
    }
    if constexpr (form == Form::separable || form == Form::separable_both || form == Form::kernel) {
      if (grads_.dg == nullptr) return;
      const Vector u = bias.difference(c);
      dg = hn::MulAdd(da, bias.shape(u, c), dg);
      const Vector share = hn::Mul(bias.slope(u, c), da);  // times g
      ds_row = hn::Add(ds_row, share);
      hn::StoreU(hn::NegMulAdd(bias.g(), share, hn::LoadU(d, scratch_.ds + c)), d, scratch_.ds + c);
    }
  }

  HWY_INLINE void add_distance(int64_t r, int64_t c, Vector da) const {
    alignas(64) float values[16];
    const Floats d;
    const hn::ScalableTag<double> wide;
    const hn::Rebind<float, decltype(wide)> narrow;
    hn::Store(da, d, values);
    double* to = grads_.ddistance + keys_.longest - 1 - (rows_.index + r - first_key_) + c;
    for (int64_t n = 0; n < lanes(); n += static_cast<int64_t>(hn::Lanes(wide)))
      hn::StoreU(hn::Add(hn::LoadU(wide, to + n), hn::PromoteTo(wide, hn::LoadU(narrow, values + n))), wide, to + n);
  }

  const Setting& setting_;
  const Keys& keys_;
  const KeyTile& tile_;
  const Rows& rows_;
  const RowGradients& grads_;
  BackwardScratch& scratch_;
  const int64_t dim_, first_key_;
};

HWY_ATTR bool BackwardTile(const Setting& setting, const Keys& keys, const KeyTile& tile, const Rows& rows,
                           const RowGradients& grads, BackwardScratch& scratch) {
  switch (setting.form) {
    case Form::none: return Backward<Form::none>(setting, keys, tile, rows, grads, scratch).run();
    case Form::distance: return Backward<Form::distance>(setting, keys, tile, rows, grads, scratch).run();
    case Form::separable: return Backward<Form::separable>(setting, keys, tile, rows, grads, scratch).run();
    case Form::separable_both: return Backward<Form::separable_both>(setting, keys, tile, rows, grads, scratch).run();
    case Form::kernel: return Backward<Form::kernel>(setting, keys, tile, rows, grads, scratch).run();
    case Form::dense: return Backward<Form::dense>(setting, keys, tile, rows, grads, scratch).run();
  }
  return false;
}

}  // namespace longhaul::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
HWY_EXPORT(BackwardTile);

bool kernels::backward_tile(const Setting& setting, const Keys& keys, const KeyTile& tile, const Rows& rows,
                            const RowGradients& grads, BackwardScratch& scratch) {
  return HWY_DYNAMIC_DISPATCH(BackwardTile)(setting, keys, tile, rows, grads, scratch);
}
}  // namespace longhaul
#endif
