// Tiles of pairs that stay in the first cache, hidden layer and all; every product is attention's tile product.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/dape/dape_cpu.cpp"
#include "ops/attention/targets.h"
// targets.h comes before Highway

#include <ATen/Parallel.h>
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <vector>

#include "ops/attention/products-inl.h"
#include "ops/dape/dape_kernels.h"
#include "ops/op.h"

#ifndef LH_DAPE_TILE
#define LH_DAPE_TILE
namespace longhaul {
namespace {

constexpr int64_t kTile = 128;  // pairs
constexpr float kLeak = 0.01f;

int64_t padded(int64_t count) { return (count + 15) / 16 * 16; }

// Rows of kTile numbers, a row a channel; those behind the last pair are zero.
struct DapeScratch {
  DapeScratch(int64_t heads, int64_t hidden)
      : x(size(2 * heads)),
        before(size(hidden)),
        active(size(hidden)),
        y(size(heads)),
        dout(size(heads)),
        dhidden(size(hidden)),
        dx(size(2 * heads)),
        x_rows(size(padded(2 * heads + 1))),
        dout_rows(size(padded(heads))),
        dweight0(static_cast<size_t>(hidden * padded(2 * heads + 1))),
        dweight2(static_cast<size_t>(hidden * padded(heads))) {}
  static size_t size(int64_t rows) { return static_cast<size_t>(rows * kTile); }

  std::vector<float> x, before, active, y;  // [2 H], [hidden], [hidden], [H]
  std::vector<float> dout, dhidden, dx;     // [H], [hidden], [2 H]
  std::vector<float> x_rows, dout_rows;     // transposed: [kTile, 2 H and a one, padded], [kTile, H padded]
  std::vector<float> dweight0, dweight2;    // [hidden, 2 H + 1 padded] (the last of them: bias0's), [hidden, H padded]
};

}  // namespace
}  // namespace longhaul
#endif

HWY_BEFORE_NAMESPACE();
namespace longhaul::HWY_NAMESPACE {

// rows x [count of `stride`] -> rows of kTile, the rest zero.
void load_tile(const float* from, int64_t stride, int64_t rows, int64_t count, float* to) {
  for (int64_t n = 0; n < rows; ++n) {
    std::copy(from + n * stride, from + n * stride + count, to + n * kTile);
    std::fill(to + n * kTile + count, to + (n + 1) * kTile, 0.0f);
  }
}

void hidden_layer(const DapeTask& task, int64_t begin, int64_t count, DapeScratch& scratch) {
  load_tile(task.logits + begin, task.pairs, task.heads, count, scratch.x.data());
  load_tile(task.bias + begin, task.pairs, task.heads, count, scratch.x.data() + task.heads * kTile);
  const int64_t channels = 2 * task.heads;
  for (int64_t u = 0; u < task.hidden; ++u) std::fill_n(scratch.before.data() + u * kTile, kTile, task.bias0[u]);
  product<Into::add>(
      {task.weight0, channels, 1, scratch.x.data(), kTile, scratch.before.data(), kTile, task.hidden, kTile, channels});
  const Floats d;
  for (int64_t n = 0; n < task.hidden * kTile; n += lanes()) {
    const Vector x = hn::LoadU(d, scratch.before.data() + n);
    hn::StoreU(hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(x, hn::Set(d, kLeak))), d, scratch.active.data() + n);
  }
}

void dape_tile(const DapeTask& task, int64_t begin, int64_t count, DapeScratch& scratch, float* out) {
  hidden_layer(task, begin, count, scratch);
  for (int64_t h = 0; h < task.heads; ++h) {
    const float *logits = scratch.x.data() + h * kTile, *bias = logits + task.heads * kTile;
    float* y = scratch.y.data() + h * kTile;
    for (int64_t n = 0; n < kTile; ++n) y[n] = task.bias2[h] + logits[n] + (task.adds_bias ? bias[n] : 0.0f);
  }
  product<Into::add>({task.weight2, task.hidden, 1, scratch.active.data(), kTile, scratch.y.data(), kTile, task.heads,
                      kTile, task.hidden});
  for (int64_t h = 0; h < task.heads; ++h)
    std::copy_n(scratch.y.data() + h * kTile, count, out + h * task.pairs + begin);
}

// The tile's share of the weights' gradients, added to scratch.dweight0, dweight2 and dbias2.
void add_weight_gradients(const DapeTask& task, int64_t count, DapeScratch& scratch, float* dbias2) {
  const int64_t channels = 2 * task.heads, x_row = padded(channels + 1), dout_row = padded(task.heads);
  for (int64_t n = 0; n < kTile; ++n) {
    float *x = scratch.x_rows.data() + n * x_row, *dout = scratch.dout_rows.data() + n * dout_row;
    for (int64_t c = 0; c < channels; ++c) x[c] = scratch.x[static_cast<size_t>(c * kTile + n)];
    x[channels] = 1;
    for (int64_t h = 0; h < task.heads; ++h) dout[h] = scratch.dout[static_cast<size_t>(h * kTile + n)];
  }
  product<Into::add>({scratch.dhidden.data(), kTile, 1, scratch.x_rows.data(), x_row, scratch.dweight0.data(), x_row,
                      task.hidden, x_row, count});
  product<Into::add>({scratch.active.data(), kTile, 1, scratch.dout_rows.data(), dout_row, scratch.dweight2.data(),
                      dout_row, task.hidden, dout_row, count});
  for (int64_t h = 0; h < task.heads; ++h)
    for (int64_t n = 0; n < count; ++n) dbias2[h] += scratch.dout[static_cast<size_t>(h * kTile + n)];
}

void dape_tile_backward(const DapeTask& task, int64_t begin, int64_t count, const float* dout,
                        const DapeGradients& gradients, DapeScratch& scratch, float* dbias2) {
  hidden_layer(task, begin, count, scratch);
  load_tile(dout + begin, task.pairs, task.heads, count, scratch.dout.data());
  product<Into::store>({task.weight2, 1, task.hidden, scratch.dout.data(), kTile, scratch.dhidden.data(), kTile,
                        task.hidden, kTile, task.heads});
  const Floats d;
  for (int64_t n = 0; n < task.hidden * kTile; n += lanes()) {
    const Vector x = hn::LoadU(d, scratch.before.data() + n), slope = hn::LoadU(d, scratch.dhidden.data() + n);
    hn::StoreU(hn::IfThenElse(hn::Gt(x, hn::Zero(d)), slope, hn::Mul(slope, hn::Set(d, kLeak))), d,
               scratch.dhidden.data() + n);
  }
  const int64_t channels = 2 * task.heads, half = task.heads * kTile;
  std::copy_n(scratch.dout.data(), half, scratch.dx.data());
  task.adds_bias ? std::copy_n(scratch.dout.data(), half, scratch.dx.data() + half)
                 : std::fill_n(scratch.dx.data() + half, half, 0.0f);
  product<Into::add>({task.weight0, 1, channels, scratch.dhidden.data(), kTile, scratch.dx.data(), kTile, channels,
                      kTile, task.hidden});
  for (int64_t h = 0; h < task.heads; ++h) {
    std::copy_n(scratch.dx.data() + h * kTile, count, gradients.dlogits + h * task.pairs + begin);
    std::copy_n(scratch.dx.data() + half + h * kTile, count, gradients.dbias + h * task.pairs + begin);
  }
  add_weight_gradients(task, count, scratch, dbias2);
}

}  // namespace longhaul::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
namespace {
HWY_EXPORT(dape_tile);
HWY_EXPORT(dape_tile_backward);

// body(group, first pair, pairs of the tile, is it the group's last, scratch): a group is one task.
template <class Body>
void for_tiles(const DapeTask& task, const Body& body) {
  const int64_t groups = (task.pairs + kDapeGroup - 1) / kDapeGroup;
  at::parallel_for(0, groups, 1, [&](int64_t from, int64_t to) {
    DapeScratch scratch(task.heads, task.hidden);
    for (int64_t group = from; group < to; ++group) {
      const int64_t end = std::min(task.pairs, (group + 1) * kDapeGroup);
      for (int64_t begin = group * kDapeGroup; begin < end; begin += kTile)
        body(group, begin, std::min(kTile, end - begin), begin + kTile >= end, scratch);
    }
  });
}

// Moves the sums of a group out of their padded rows and clears them.
void finish_group(const DapeTask& task, int64_t group, const DapeGradients& gradients, DapeScratch& scratch) {
  const int64_t channels = 2 * task.heads, x_row = padded(channels + 1), dout_row = padded(task.heads);
  for (int64_t u = 0; u < task.hidden; ++u) {
    const float *row = scratch.dweight0.data() + u * x_row, *back = scratch.dweight2.data() + u * dout_row;
    std::copy_n(row, channels, gradients.dweight0 + (group * task.hidden + u) * channels);
    gradients.dbias0[group * task.hidden + u] = row[channels];
    for (int64_t h = 0; h < task.heads; ++h) gradients.dweight2[(group * task.heads + h) * task.hidden + u] = back[h];
  }
  std::fill(scratch.dweight0.begin(), scratch.dweight0.end(), 0.0f);
  std::fill(scratch.dweight2.begin(), scratch.dweight2.end(), 0.0f);
}
}  // namespace

void dape_cpu(const DapeTask& task, float* out) {
  for_tiles(task, [&](int64_t, int64_t begin, int64_t count, bool, DapeScratch& scratch) {
    HWY_DYNAMIC_DISPATCH(dape_tile)(task, begin, count, scratch, out);
  });
}

void dape_backward_cpu(const DapeTask& task, const float* dout, const DapeGradients& gradients) {
  for_tiles(task, [&](int64_t group, int64_t begin, int64_t count, bool last, DapeScratch& scratch) {
    float* dbias2 = gradients.dbias2 + group * task.heads;
    if (begin == group * kDapeGroup) std::fill_n(dbias2, task.heads, 0.0f);
    HWY_DYNAMIC_DISPATCH(dape_tile_backward)(task, begin, count, dout, gradients, scratch, dbias2);
    if (last) finish_group(task, group, gradients, scratch);
  });
}

LH_REGISTER(Ops, "dape", "DAPE's network over logits and biases for a block of queries", [] {
  return OpPaths{"own kernel, " + vector_target(HWY_TARGETS) + "; f64: composition of ATen ops", kAtenComposition};
});

}  // namespace longhaul
#endif
