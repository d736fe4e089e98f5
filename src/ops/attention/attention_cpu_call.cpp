#include "ops/attention/attention_cpu_call.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include "base/error.h"
#include "ops/attention/attention_blocks.h"
#include "ops/attention/attention_packing.h"

namespace longhaul {

using namespace kernels;

namespace {

static_assert(kPageRows == kKeyTile, "tiles are looked up by page");

// Keys from which a pass over k costs less, even for one query, than the tiles that it lets us skip.
constexpr int64_t kWorthNorms = 2048;

// Elements of one block of dense bias: 64 MB.
constexpr int64_t kDenseElements = int64_t{1} << 24;

struct alignas(64) NormScratch {
  float rows[kKeyTile * kLargestDim], transposed[kKeyTile * kLargestDim], norms[kKeyTile];
};

Form form_of(const AttentionProblem& problem) {
  switch (problem.bias) {
    case BiasKind::distance: return Form::distance;
    case BiasKind::separable: return problem.options.causal ? Form::separable : Form::separable_both;
    case BiasKind::kernel: return Form::kernel;
    case BiasKind::rows: return Form::dense;
    default: return Form::none;
  }
}

Storage storage_of(const Tensor& t) {
  return t.scalar_type() == at::kFloat      ? Storage::f32
         : t.scalar_type() == at::kBFloat16 ? Storage::bf16
                                            : Storage::int8;
}

// unit * from[j * stride] as pairs of floats, zeros beyond count; the least and the largest of the high ones.
std::pair<float, float> split(const double* from, int64_t stride, int64_t count, double unit, float* high, float* low) {
  float least = static_cast<float>(unit * from[0]), most = least;
  for (int64_t j = 0; j < count; ++j) {
    const double value = unit * from[j * stride];
    high[j] = static_cast<float>(value), low[j] = static_cast<float>(value - high[j]);
    least = std::min(least, high[j]), most = std::max(most, high[j]);
  }
  std::fill(high + count, high + kKeyTile, 0.0f), std::fill(low + count, low + kKeyTile, 0.0f);
  return {least, most};
}

}  // namespace

CpuCall::CpuCall(const AttentionProblem& call, const AttentionTensors& tensors) : problem(call), x(tensors) {
  heads = x.q.size(1), groups = x.k.size(1), head_dim = x.q.size(2), padded_dim = padded(head_dim),
  tokens = x.q.size(0);
  storage = storage_of(x.q), key_storage = storage_of(x.k);
  const AttentionOptions& options = problem.options;
  setting = {head_dim,
             padded_dim,
             form_of(problem),
             options.causal,
             options.window,
             static_cast<float>(options.soft_cap * kLog2E),
             static_cast<float>(std::log2(options.skip_eps)),
             problem.nearest,
             problem.first_keys};
  // A bias that does not fall with distance proves nothing, and without causality there are tiles on both sides of a row.
  const bool falls = setting.form == Form::distance || setting.form == Form::separable || setting.form == Form::kernel;
  if (!falls || !options.causal) setting.log2_eps = -std::numeric_limits<float>::infinity();
  tile_offset_ = {0};
  for (int64_t b = 0; b < problem.sequences(); ++b) {
    tile_offset_.push_back(tile_offset_.back() + tiles_of(problem.keys(b)));
    longest = std::max(longest, problem.keys(b));
  }
  const auto f32 = at::TensorOptions(at::kFloat);
  if (skips())
    for (Tensor* t : {&k_norm_, &k_norm_before_}) *t = at::empty({groups, all_tiles()}, f32);
  if (problem.bias == BiasKind::distance) expand_table(x.bias[0]);
  if (problem.bias != BiasKind::separable && problem.bias != BiasKind::kernel) return;
  split_s(x.bias[0]);
  g_ = at::ones({heads, tokens + kQueryTile}, f32);
  if (x.bias.size() > 1) g_.slice(1, 0, tokens).copy_(x.bias[1].t());
}

void CpuCall::split_s(const Tensor& s) {
  const auto f32 = at::TensorOptions(at::kFloat);
  const int64_t row = all_tiles() * kKeyTile + kQueryTile;
  s_high_ = at::empty({heads, row}, f32), s_low_ = at::empty({heads, row}, f32);
  for (Tensor* t : {&s_min_, &s_max_, &s_min_before_, &s_max_before_}) *t = at::empty({heads, all_tiles()}, f32);
  for (const Tensor& t : {s_high_, s_low_}) t.slice(1, row - kQueryTile, row).zero_();
  const double unit = setting.form == Form::kernel ? 1 : kLog2E;
  at::parallel_for(0, all_tiles(), 16, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t b = sequence_of_tile(tile), j = (tile - tile_offset_[b]) * kKeyTile;
      const int64_t count = std::min(kKeyTile, problem.keys(b) - j);
      for (int64_t h = 0; h < heads; ++h) {
        const double* from =
            s.const_data_ptr<double>() + (problem.spans.key_begin[b] + j) * s.stride(0) + h * s.stride(1);
        const int64_t at = h * row + tile * kKeyTile;
        const auto [least, most] =
            split(from, s.stride(0), count, unit, s_high_.data_ptr<float>() + at, s_low_.data_ptr<float>() + at);
        s_min_.data_ptr<float>()[h * all_tiles() + tile] = least;
        s_max_.data_ptr<float>()[h * all_tiles() + tile] = most;
      }
    }
  });
  scan(s_min_, s_min_before_, [](float p, float q) { return std::min(p, q); });
  scan(s_max_, s_max_before_, [](float p, float q) { return std::max(p, q); });
}

void CpuCall::expand_table(const Tensor& table) {
  const Tensor values = (table.to(at::kDouble) * kLog2E).to(at::kFloat).contiguous();
  const int64_t length = table.size(1), row = longest + kDistancePad;
  distance_ = at::zeros({heads, row}, at::kFloat);
  distance_limit_ = at::empty({heads, longest}, at::kFloat);
  for (int64_t h = 0; h < heads; ++h) {
    const float* from = values.const_data_ptr<float>() + h * length;
    float *to = distance_.data_ptr<float>() + h * row, *limit = distance_limit_.data_ptr<float>() + h * longest;
    for (int64_t d = longest - 1; d >= 0; --d) {
      const float value = from[std::min(d, length - 1)];
      to[longest - 1 - d] = value;
      limit[d] = d == longest - 1 ? value : std::max(value, limit[d + 1]);
    }
  }
}

bool CpuCall::skips(int64_t b) const {
  if (setting.log2_eps == -std::numeric_limits<float>::infinity()) return false;
  return problem.queries(b) >= kQueryTile || problem.keys(b) >= kWorthNorms;
}

bool CpuCall::skips() const {
  for (int64_t b = 0; b < problem.sequences(); ++b) {
    if (skips(b)) return true;
  }
  return false;
}

void CpuCall::norm_keys() const {
  run_tasks<NormScratch>(groups * all_tiles(), [&](int64_t task, NormScratch& scratch) {
    const int64_t g = task / all_tiles(), tile = task % all_tiles(), b = sequence_of_tile(tile);
    const int64_t j = (tile - tile_offset(b)) * kKeyTile, count = std::min(kKeyTile, problem.keys(b) - j);
    transpose_keys(b, j, g, scratch.rows, scratch.transposed);
    column_norms(scratch.transposed, head_dim, scratch.norms);
    set_k_norm(g, tile, *std::max_element(scratch.norms, scratch.norms + count));
  });
  finish_k_norms();
}

void CpuCall::finish_k_norms() const {
  scan(k_norm_, k_norm_before_, [](float p, float q) { return std::max(p, q); });
}

void CpuCall::scan(const Tensor& values, const Tensor& before, float (*combine)(float, float)) const {
  for (int64_t row = 0; row < values.size(0); ++row) {
    const float* from = values.const_data_ptr<float>() + row * all_tiles();
    float* to = before.data_ptr<float>() + row * all_tiles();
    for (int64_t b = 0; b < problem.sequences(); ++b) {
      for (int64_t t = tile_offset_[b]; t < tile_offset_[b + 1]; ++t) {
        to[t] = t == tile_offset_[b] ? from[t] : combine(to[t - 1], from[t]);
      }
    }
  }
}

Strided CpuCall::query_rows(const Tensor& t, int64_t b, int64_t r, int64_t h) const {
  const int64_t at = (problem.spans.query_offsets[b] + r) * t.stride(0) + h * t.stride(1);
  return {static_cast<const char*>(t.const_data_ptr()) + at * t.element_size(), storage, t.stride(0)};
}

Strided CpuCall::key_rows(const Tensor& t, int64_t b, int64_t j, int64_t g) const {
  return group_rows(t, problem.key_row(b, j), g);
}

void CpuCall::transpose_keys(int64_t b, int64_t j, int64_t g, float* rows, float* to) const {
  if (problem.spans.pages) return widen_tile(key_rows(x.k, b, j, g), head_dim, to);
  pack_tile(key_rows(x.k, b, j, g), std::min(kKeyTile, problem.keys(b) - j), head_dim, rows);
  transpose_tile(rows, padded_dim, padded_dim, to);
}

Strided CpuCall::all_key_rows(const Tensor& t, int64_t b, int64_t g) const {
  return group_rows(t, problem.spans.pages ? 0 : problem.spans.key_begin[b], g);
}

Strided CpuCall::group_rows(const Tensor& t, int64_t row, int64_t g) const {
  const bool pool = problem.spans.pages != nullptr;
  const auto step = [&](const Tensor& of) { return of.stride(pool ? 2 : 0); };
  const auto place = [&](const Tensor& of, int64_t numbers) {  // of a row
    if (!pool) return row * of.stride(0) + g * of.stride(1);
    return ((row / kPageRows * groups + g) * kPageRows + row % kPageRows) * numbers;
  };
  const Tensor& scales = &t == &x.k ? problem.spans.k_scale : problem.spans.v_scale;
  Strided rows{static_cast<const char*>(t.const_data_ptr()) + place(t, head_dim) * t.element_size(), key_storage,
               step(t)};
  if (key_storage != Storage::int8) return rows;
  rows.scales = scales.const_data_ptr<float>() + place(scales, 1);
  rows.scale_row = step(scales);
  return rows;
}

void CpuCall::query_factors(int64_t b, int64_t r, int64_t count, float* factors) const {
  const AttentionOptions& options = problem.options;
  for (int64_t n = 0; n < count; ++n) {
    double factor = options.scale * kLog2E;
    if (options.row_scale.defined()) {
      const int64_t at = (problem.spans.query_offsets[b] + r + n) * options.row_scale.stride(0);
      factor *= options.row_scale.const_data_ptr<double>()[at];
    }
    factors[n] = static_cast<float>(factor);
  }
}

Keys CpuCall::keys(int64_t b, int64_t h) const {
  Keys keys{};
  keys.count = problem.keys(b);
  keys.longest = longest;
  const int64_t group_tile = h / (heads / groups) * all_tiles() + tile_offset_[b],
                tile = h * all_tiles() + tile_offset_[b];
  if (skips(b)) {
    keys.tile.k_norm = k_norm_.const_data_ptr<float>() + group_tile;
    keys.prefix.k_norm = k_norm_before_.const_data_ptr<float>() + group_tile;
  }
  if (separable()) {
    const int64_t at = h * s_high_.size(1) + tile_offset_[b] * kKeyTile;
    keys.s_high = s_high_.const_data_ptr<float>() + at, keys.s_low = s_low_.const_data_ptr<float>() + at;
    keys.tile.s_min = s_min_.const_data_ptr<float>() + tile, keys.tile.s_max = s_max_.const_data_ptr<float>() + tile;
    keys.prefix.s_min = s_min_before_.const_data_ptr<float>() + tile;
    keys.prefix.s_max = s_max_before_.const_data_ptr<float>() + tile;
  }
  if (distance_.defined()) {
    keys.distance = distance_.const_data_ptr<float>() + h * distance_.size(1);
    keys.distance_limit = distance_limit_.const_data_ptr<float>() + h * longest;
  }
  return keys;
}

const float* CpuCall::g(int64_t b, int64_t r, int64_t h) const {
  if (!g_.defined()) return nullptr;
  return g_.const_data_ptr<float>() + h * g_.size(1) + problem.spans.query_offsets[b] + r;
}

int64_t CpuCall::sequence_of_tile(int64_t tile) const {
  return std::upper_bound(tile_offset_.begin(), tile_offset_.end(), tile) - tile_offset_.begin() - 1;
}

void CpuCall::for_each_row_block(
    const std::function<void(int64_t b, int64_t r0, int64_t r1, const Tensor& dense)>& visit) const {
  for (int64_t b = 0; b < problem.sequences(); ++b) {
    const int64_t count = problem.queries(b), first = first_row(b);
    if (problem.bias != BiasKind::rows) {
      if (first < count) visit(b, first, count, {});
      continue;
    }
    int64_t step = std::max<int64_t>(1, kDenseElements / std::max<int64_t>(1, heads * dense_row(b)));
    if (step > kQueryTile) step = step / kQueryTile * kQueryTile;
    for (int64_t r0 = first; r0 < count; r0 += step) {
      const int64_t r1 = std::min(count, r0 + step);
      const Tensor dense = at::zeros({heads, r1 - r0, dense_row(b)}, at::kFloat);
      const int64_t keys = problem.last_key(b, problem.first_query(b) + r1);
      dense.slice(2, 0, keys).copy_(row_block(problem, x.bias, heads, b, r0, r1, keys));
      visit(b, r0, r1, dense);
    }
  }
}

}  // namespace longhaul
