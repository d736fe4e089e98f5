// Normalisation of f32 rows: one pass over memory forward, one backward with both parameters' gradients.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/norm/norm_cpu.cpp"
#include <ATen/Parallel.h>
#include <hwy/foreach_target.h>  // must come before highway.h

#include "ops/norm/norm_kernels.h"
#include "ops/op.h"
#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {

struct RowStatistics {
  float mean = 0, scale = 0;  // scale: 1 / deviation
};

HWY_INLINE RowStatistics statistics(const NormTask& task, const float* x) {
  const Floats d;
  RowStatistics row;
  const auto width = static_cast<float>(task.width);
  if (task.layer) {
    auto sum = hn::Zero(d);
    for_vectors(task.width, [&](const auto& load, const auto&, int64_t) HWY_ATTR { sum = hn::Add(sum, load(x, 0)); });
    row.mean = sum_of(sum) / width;
  }
  const auto mean = hn::Set(d, row.mean);
  auto square = hn::Zero(d);
  for_vectors(task.width, [&](const auto& load, const auto&, int64_t) HWY_ATTR {
    const auto centered = hn::Sub(load(x, row.mean), mean);
    square = hn::MulAdd(centered, centered, square);
  });
  row.scale = 1 / std::sqrt(sum_of(square) / width + task.eps);
  return row;
}

void normalize_rows(const NormTask& task, int64_t begin, int64_t end) {
  const Floats d;
  for (int64_t t = begin; t < end; ++t) {
    const float* x = task.x + t * task.x_stride;
    float* y = task.y + t * task.width;
    const RowStatistics row = statistics(task, x);
    const auto mean = hn::Set(d, row.mean), scale = hn::Set(d, row.scale);
    for_vectors(task.width, [&](const auto& load, const auto& store, int64_t) HWY_ATTR {
      auto output = hn::Mul(hn::Sub(load(x, 0), mean), scale);
      if (task.weight) output = hn::Mul(output, load(task.weight, 0));
      if (task.bias) output = hn::Add(output, load(task.bias, 0));
      store(output, y);
    });
  }
}

// Rows [begin, end); their share of the parameters' gradients is added to dweight and dbias unless null.
void normalize_rows_backward(const NormTask& task, int64_t begin, int64_t end, float* dweight, float* dbias) {
  const Floats d;
  const float inverse_width = 1.0f / static_cast<float>(task.width);
  for (int64_t t = begin; t < end; ++t) {
    const float *x = task.x + t * task.x_stride, *dy = task.dy + t * task.dy_stride;
    float* dx = task.dx + t * task.dx_stride;
    const RowStatistics row = statistics(task, x);
    const auto mean = hn::Set(d, row.mean), scale = hn::Set(d, row.scale);
    auto sum_g = hn::Zero(d), sum_gn = hn::Zero(d);
    for_vectors(task.width, [&](const auto& load, const auto& store, int64_t) HWY_ATTR {
      const auto normal = hn::Mul(hn::Sub(load(x, row.mean), mean), scale), slope = load(dy, 0);
      if (dweight) store(hn::MulAdd(slope, normal, load(dweight, 0)), dweight);
      if (dbias) store(hn::Add(slope, load(dbias, 0)), dbias);
      const auto g = task.weight ? hn::Mul(slope, load(task.weight, 0)) : slope;
      sum_g = hn::Add(sum_g, g);
      sum_gn = hn::MulAdd(g, normal, sum_gn);
    });
    const auto mean_g = hn::Set(d, task.layer ? sum_of(sum_g) * inverse_width : 0);
    const auto mean_gn = hn::Set(d, sum_of(sum_gn) * inverse_width);
    for_vectors(task.width, [&](const auto& load, const auto& store, int64_t) HWY_ATTR {
      const auto normal = hn::Mul(hn::Sub(load(x, 0), mean), scale), slope = load(dy, 0);
      const auto g = task.weight ? hn::Mul(slope, load(task.weight, 0)) : slope;
      store(hn::Mul(scale, hn::NegMulAdd(normal, mean_gn, hn::Sub(g, mean_g))), dx);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
namespace {

HWY_EXPORT(normalize_rows);
HWY_EXPORT(normalize_rows_backward);

constexpr int64_t kGrain = 16384;  // numbers that are worth a thread

}  // namespace

void normalize_cpu(const NormTask& task) {
  at::parallel_for(0, task.rows, kGrain / task.width + 1, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(normalize_rows)(task, begin, end);
  });
}

// Tiles of rows depend on the number of rows alone, and their sums are added in order: the same bits on any thread count.
void normalize_backward_cpu(const NormTask& task, float* dweight, float* dbias) {
  constexpr int64_t kTiles = 64, kTileRows = 32;
  const int64_t tile_rows = std::max(kTileRows, (task.rows + kTiles - 1) / kTiles);
  const int64_t tiles = (task.rows + tile_rows - 1) / tile_rows, width = task.width;
  std::vector<float> weights(dweight ? tiles * width : 0), biases(dbias ? tiles * width : 0);
  at::parallel_for(0, tiles, kGrain / (tile_rows * width) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile) {
      HWY_DYNAMIC_DISPATCH(normalize_rows_backward)
      (task, tile * tile_rows, std::min(task.rows, (tile + 1) * tile_rows),
       dweight ? weights.data() + tile * width : nullptr, dbias ? biases.data() + tile * width : nullptr);
    }
  });
  for (int64_t tile = 0; tile < tiles; ++tile) {
    for (int64_t c = 0; c < width; ++c) {
      if (dweight) dweight[c] += weights[tile * width + c];
      if (dbias) dbias[c] += biases[tile * width + c];
    }
  }
}

LH_REGISTER(Ops, "norm", "layer and RMS normalisation", [] {
  return OpPaths{"own kernel, " + vector_target(HWY_TARGETS) + "; f64, bf16: composition of ATen ops",
                 kAtenComposition};
});

}  // namespace longhaul
#endif
