#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "ops/attention/attention_aten.h"
#include "ops/attention/attention_cpu.h"
#include "ops/attention/attention_cpu_call.h"
#include "ops/attention/attention_packing.h"

namespace longhaul {
namespace {

using namespace kernels;

constexpr int64_t kTasks = 16;  // wanted at least, whatever the number of threads: it decides the order of sums

struct alignas(64) TileScratch {
  float k[kKeyTile * kLargestDim], k_transposed[kKeyTile * kLargestDim];
  float v[kKeyTile * kLargestDim], v_transposed[kKeyTile * kLargestDim];
  BackwardScratch backward;
};

struct alignas(64) RowScratch {
  float out[kQueryTile * kLargestDim];
  float factors[kQueryTile];
};

bool any(const std::vector<bool>& needed) {
  return std::any_of(needed.begin(), needed.end(), [](bool n) { return n; });
}

// A task is (sequence, key-value head, part): it goes through every parts-th tile of keys and owns their gradients. Gradients of
// the queries are summed over the parts at the end, in order.
class BackwardPass {
 public:
  BackwardPass(const CpuCall& call, const AttentionResult& result, const Tensor& grad_out, const AttentionNeeds& needs)
      : call_(call), result_(result), dout_(grad_out), needs_(needs), dim_(call.padded_dim) {
    const int64_t tasks = call.problem.sequences() * call.groups;
    parts_ = std::max<int64_t>(1, std::min((kTasks + tasks - 1) / tasks, tiles_of(call.longest)));
    if (dout_.stride(2) != 1 && call.head_dim > 1) dout_ = dout_.contiguous();
    const auto f32 = at::TensorOptions(at::kFloat);
    packed_q_ = at::empty({call.heads, call.tokens, dim_}, f32);
    packed_dout_ = at::empty({call.heads, call.tokens, dim_}, f32);
    q_norm_ = at::zeros({call.heads, call.tokens + kQueryTile}, f32);
    delta_ = at::empty({call.heads, call.tokens}, f32);
    lse_ = at::zeros({call.heads * call.tokens + kQueryTile}, f32);  // read in whole vectors
    dq_ = at::zeros({parts_, call.heads, call.tokens, dim_}, f32);
    dk_ = at::zeros({call.groups, call.all_tiles() * kKeyTile, dim_}, f32);
    dv_ = at::zeros({call.groups, call.all_tiles() * kKeyTile, dim_}, f32);
    if (!any(needs.bias)) return;
    if (call.separable()) {
      dg_ = at::zeros({parts_, call.heads, call.tokens}, f32);
      ds_ = at::zeros({call.heads, call.all_tiles() * kKeyTile}, at::kDouble);
      // Under a causal linear bias a row's shares of s_i add up to 0, but only together with the entry j = i, whose rounding may be
      // larger than the others' sum; with both shares kept it cancels.
      ds_row_ = at::zeros({parts_, call.heads, call.tokens}, at::kDouble);
    }
    if (call.setting.form == Form::distance) {
      ddistance_ = at::zeros({call.problem.sequences(), parts_, call.heads, call.longest + kDistancePad}, at::kDouble);
    }
  }

  AttentionTensors run() {
    grads_.bias.clear();
    for (const Tensor& t : call_.x.bias) grads_.bias.push_back(at::zeros_like(t));
    pack_queries();
    if (call_.skips()) call_.norm_keys();
    if (call_.problem.bias == BiasKind::rows) {
      call_.for_each_row_block([&](int64_t b, int64_t r0, int64_t r1, const Tensor& dense) {
        const Tensor ddense = any(needs_.bias) ? at::zeros_like(dense) : Tensor();
        run_tasks<TileScratch>(call_.groups * parts_, [&](int64_t n, TileScratch& scratch) {
          run(b, n / parts_, n % parts_, {r0, r1, dense, ddense}, scratch);
        });
        if (!ddense.defined()) return;
        const Tensor grad_rows = ddense.slice(2, 0, call_.problem.last_key(b, call_.problem.first_query(b) + r1));
        add_row_block_gradient(call_.problem, call_.x.bias, needs_.bias, b, r0, r1, grad_rows, grads_.bias);
      });
    } else {
      const int64_t per_sequence = call_.groups * parts_;
      run_tasks<TileScratch>(call_.problem.sequences() * per_sequence, [&](int64_t n, TileScratch& scratch) {
        const int64_t b = n / per_sequence, rest = n % per_sequence;
        run(b, rest / parts_, rest % parts_, {call_.first_row(b), call_.problem.queries(b), {}, {}}, scratch);
      });
    }
    collect();
    return grads_;
  }

 private:
  struct Block {  // rows [r0, r1) of a sequence and their dense bias
    int64_t r0, r1;
    Tensor dense, ddense;
  };

  int64_t at_query(int64_t b, int64_t r, int64_t h) const {
    return h * call_.tokens + call_.problem.spans.query_offsets[b] + r;
  }

  void pack_queries() {
    std::vector<std::pair<int64_t, int64_t>> tiles;  // sequence, first row
    for (int64_t b = 0; b < call_.problem.sequences(); ++b) {
      for (int64_t r = call_.first_row(b); r < call_.problem.queries(b); r += kQueryTile) tiles.emplace_back(b, r);
    }
    const int64_t count = static_cast<int64_t>(tiles.size());
    run_tasks<RowScratch>(count * call_.heads, [&](int64_t n, RowScratch& scratch) {
      const auto [b, r] = tiles[static_cast<size_t>(n % count)];
      const int64_t h = n / count, rows = std::min(kQueryTile, call_.problem.queries(b) - r), at = at_query(b, r, h);
      float *q = packed_q_.data_ptr<float>() + at * dim_, *dout = packed_dout_.data_ptr<float>() + at * dim_;
      call_.query_factors(b, r, rows, scratch.factors);
      pack_rows(call_.query_rows(call_.x.q, b, r, h), rows, call_.head_dim, scratch.factors, q);
      round_lse(at, rows, scratch.factors);
      pack_rows(call_.query_rows(dout_, b, r, h), rows, call_.head_dim, scratch.factors, dout);
      pack_rows(call_.query_rows(result_.out, b, r, h), rows, call_.head_dim, nullptr, scratch.out);
      row_norms(q, rows, dim_, q_norm_.data_ptr<float>() + at + h * kQueryTile);
      row_products(scratch.out, dout, rows, dim_, delta_.data_ptr<float>() + at);
    });
  }

  // The kernels take lse as a float. What the rounding adds to it divides every weight of the row; weights enter the gradients
  // only as products with a row of dout, which therefore takes the factor up.
  void round_lse(int64_t at, int64_t count, float* factors) {
    const double* exact = result_.lse.const_data_ptr<double>() + at;
    float* rounded = lse_.data_ptr<float>() + at;
    for (int64_t n = 0; n < count; ++n) {
      rounded[n] = static_cast<float>(exact[n]);
      factors[n] = static_cast<float>(std::exp2(rounded[n] - exact[n]));
    }
  }

  void run(int64_t b, int64_t g, int64_t part, const Block& block, TileScratch& scratch) {
    const int64_t per_group = call_.heads / call_.groups, index = call_.problem.first_query(b);
    for (int64_t tile = part; tile < tiles_of(call_.problem.keys(b)); tile += parts_) {
      const int64_t first_key = tile * kKeyTile;
      int64_t begin = block.r0, end = block.r1;  // rows that see one of the keys
      const int64_t nearest = first_key + call_.setting.nearest - index;
      if (call_.setting.causal && nearest > begin) begin += (nearest - begin) / kQueryTile * kQueryTile;
      if (call_.setting.first_keys > 0 && first_key >= call_.setting.first_keys) continue;
      if (call_.setting.window > 0) end = std::min(end, first_key + kKeyTile - 1 + call_.setting.window - index);
      if (begin >= end) continue;
      const int64_t count = std::min(kKeyTile, call_.problem.keys(b) - first_key);
      pack_tile(call_.key_rows(call_.x.k, b, first_key, g), count, call_.head_dim, scratch.k);
      pack_tile(call_.key_rows(call_.x.v, b, first_key, g), count, call_.head_dim, scratch.v);
      transpose_tile(scratch.k, dim_, dim_, scratch.k_transposed);
      transpose_tile(scratch.v, dim_, dim_, scratch.v_transposed);
      const int64_t row = (g * call_.all_tiles() + call_.tile_offset(b) + tile) * kKeyTile;
      const KeyTile keys{tile,
                         scratch.k,
                         scratch.k_transposed,
                         scratch.v_transposed,
                         dk_.data_ptr<float>() + row * dim_,
                         dv_.data_ptr<float>() + row * dim_};
      for (int64_t h = g * per_group; h < (g + 1) * per_group; ++h) {
        for (int64_t r = begin; r < end; r += kQueryTile) {
          run(b, h, part, block, r, std::min(kQueryTile, block.r1 - r), keys, scratch.backward);
        }
      }
    }
  }

  void run(int64_t b, int64_t h, int64_t part, const Block& block, int64_t r, int64_t count, const KeyTile& tile,
           BackwardScratch& scratch) {
    const int64_t at = at_query(b, r, h), partial = part * call_.heads * call_.tokens + at;
    Rows rows{count,
              call_.problem.first_query(b) + r,
              packed_q_.const_data_ptr<float>() + at * dim_,
              q_norm_.const_data_ptr<float>() + at + h * kQueryTile,
              call_.g(b, r, h),
              nullptr,
              0};
    RowGradients grads{};
    grads.dout = packed_dout_.const_data_ptr<float>() + at * dim_;
    grads.lse = lse_.const_data_ptr<float>() + at;
    grads.delta = delta_.const_data_ptr<float>() + at;
    grads.dq = dq_.data_ptr<float>() + partial * dim_;
    if (dg_.defined()) {
      grads.dg = dg_.data_ptr<float>() + partial;
      grads.ds_row = ds_row_.data_ptr<double>() + partial;
      grads.ds = ds_.data_ptr<double>() + (h * call_.all_tiles() + call_.tile_offset(b) + tile.index) * kKeyTile;
    }
    if (ddistance_.defined()) {
      grads.ddistance = ddistance_.data_ptr<double>() + ((b * parts_ + part) * call_.heads + h) * ddistance_.size(3);
    }
    if (block.dense.defined()) {
      rows.dense_row = block.dense.size(2);
      const int64_t offset = (h * block.dense.size(1) + r - block.r0) * rows.dense_row;
      rows.dense = block.dense.const_data_ptr<float>() + offset;
      if (block.ddense.defined()) grads.ddense = block.ddense.data_ptr<float>() + offset;
    }
    backward_tile(call_.setting, call_.keys(b, h), tile, rows, grads, scratch);
  }

  void collect() {
    grads_.q = at::zeros_like(call_.x.q, at::MemoryFormat::Contiguous);
    grads_.k = at::zeros_like(call_.x.k, at::MemoryFormat::Contiguous);
    grads_.v = at::zeros_like(call_.x.v, at::MemoryFormat::Contiguous);
    for (int64_t part = 1; part < parts_; ++part) dq_[0].add_(dq_[part]);
    const double scale = call_.problem.options.scale;
    const Tensor& row_scale = call_.problem.options.row_scale;
    Tensor dq = dq_[0].slice(2, 0, call_.head_dim).transpose(0, 1);
    if (row_scale.defined()) dq = dq * row_scale.to(at::kFloat).view({-1, 1, 1});
    grads_.q.copy_(dq * scale);
    for (int64_t b = 0; b < call_.problem.sequences(); ++b) {
      const int64_t begin = call_.problem.spans.key_begin[b], row = call_.tile_offset(b) * kKeyTile;
      for (auto [from, to, factor] : {std::tuple{&dk_, &grads_.k, 1 / kLog2E}, std::tuple{&dv_, &grads_.v, 1.0}}) {
        const Tensor rows =
            from->slice(1, row, row + call_.problem.keys(b)).slice(2, 0, call_.head_dim).transpose(0, 1);
        to->slice(0, begin, begin + call_.problem.keys(b)).copy_(rows * factor);
      }
      if (dg_.defined()) collect_s(b);
    }
    if (dg_.defined() && grads_.bias.size() > 1) grads_.bias[1].copy_(dg_.sum(0).t() * (1 / kLog2E));
    if (ddistance_.defined()) collect_distance();
  }

  void collect_s(int64_t b) {
    const int64_t begin = call_.problem.spans.key_begin[b], row = call_.tile_offset(b) * kKeyTile;
    const Tensor ds = grads_.bias[0].slice(0, begin, begin + call_.problem.keys(b));
    ds.copy_(ds_.slice(1, row, row + call_.problem.keys(b)).t());
    const int64_t query = call_.problem.spans.query_offsets[b], first = call_.first_row(b);
    const int64_t index = call_.problem.first_query(b) + first;
    const Tensor rows = ds_row_.sum(0).slice(1, query + first, call_.problem.spans.query_offsets[b + 1]);
    ds.slice(0, index, index + rows.size(1)).add_(rows.t());
  }

  void collect_distance() {
    const Tensor sum = ddistance_.sum({0, 1});  // [H, longest + kDistancePad], by falling distance
    const int64_t length = call_.x.bias[0].size(1), longest = call_.longest;
    const Tensor table = at::zeros({call_.heads, length}, at::kDouble);
    const double* from = sum.const_data_ptr<double>();
    double* to = table.data_ptr<double>();
    for (int64_t h = 0; h < call_.heads; ++h) {
      for (int64_t d = 0; d < longest; ++d) {
        to[h * length + std::min(d, length - 1)] += from[h * (longest + kDistancePad) + longest - 1 - d];
      }
    }
    grads_.bias[0].copy_(table);
  }

  const CpuCall& call_;
  const AttentionResult& result_;
  Tensor dout_;
  const AttentionNeeds& needs_;
  const int64_t dim_;
  int64_t parts_;
  Tensor packed_q_, packed_dout_, q_norm_, delta_, lse_;
  Tensor dq_, dk_, dv_, dg_, ds_, ds_row_, ddistance_;
  AttentionTensors grads_;
};

}  // namespace

AttentionTensors attention_cpu_backward(const AttentionProblem& problem, const AttentionTensors& x,
                                        const AttentionResult& result, const Tensor& grad_out,
                                        const AttentionNeeds& needs) {
  return BackwardPass(CpuCall(problem, x), result, grad_out, needs).run();
}

}  // namespace longhaul
