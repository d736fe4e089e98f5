#include "ops/attention/attention_cpu.h"

#include <ATen/ops/empty.h>

#include "ops/attention/attention_cpu_call.h"
#include "ops/attention/attention_packing.h"

namespace longhaul {
namespace {

using namespace kernels;

constexpr int64_t kFewTasks = 2;  // to a key-value head

struct alignas(64) PackScratch {
  float rows[kKeyTile * kLargestDim];
  float norms[kKeyTile];
};

struct alignas(64) LaneScratch {
  float q[kQueryTile * kLargestDim];
  float q_norm[kQueryTile], factors[kQueryTile];
  double lse[kQueryTile];
  ForwardSums sums;
};

struct QueryScratch {
  ForwardTile tile;
  LaneScratch lanes[kLanes];
};

class ForwardPass {
 public:
  explicit ForwardPass(const CpuCall& call) : call_(call) {
    result_.out = at::empty(call.x.q.sizes(), call.x.q.options().memory_format(at::MemoryFormat::Contiguous));
    result_.lse = at::empty({call.heads, call.tokens}, at::kDouble);
  }

  AttentionResult run() {
    if (worth_packing()) {
      pack_keys();
    } else if (call_.skips()) {
      call_.norm_keys();
    }
    for (int64_t b = 0; b < call_.problem.sequences(); ++b) blank_rows(b);
    if (call_.problem.bias == BiasKind::rows) {
      call_.for_each_row_block([&](int64_t b, int64_t r0, int64_t r1, const Tensor& dense) {
        Work work;
        list_work(b, r0, r1, work);
        run(work, dense, r0);
      });
    } else {
      Work work;
      call_.for_each_row_block([&](int64_t b, int64_t r0, int64_t r1, const Tensor&) { list_work(b, r0, r1, work); });
      run(work, {}, 0);
    }
    return result_;
  }

 private:
  // Queries [r0, r1) of head h, or one query of `heads` of them.
  struct Queries {
    int64_t b, h, r0, r1;
    int64_t heads = 1;
    TileCount count = {};
  };
  // A task is the queries from one begin to the next; they see the same keys.
  struct Work {
    std::vector<Queries> queries;
    std::vector<size_t> begin = {0};
  };

  int64_t tile_size() const { return kKeyTile * call_.padded_dim; }

  int64_t heads_of_group() const { return call_.heads / call_.groups; }

  // A single query that sees every key, whatever its head: the heads that share keys are then like queries behind each other.
  bool joins_heads(int64_t b) const {
    const AttentionProblem& problem = call_.problem;
    return problem.queries(b) == 1 && problem.keys(b) > 0 && call_.setting.form == Form::none &&
           call_.setting.window == 0 && problem.nearest == 0 && problem.first_keys == 0;
  }

  // The keys of a pool lie as the product wants them, and the values if D fills the vectors.
  bool lies_ready() const {
    return call_.problem.spans.pages && call_.key_storage == Storage::f32 && call_.head_dim == call_.padded_dim;
  }

  // Packed keys pay when several tasks read them; else, as in decoding, a task packs each tile for itself in the cache.
  bool worth_packing() const {
    if (lies_ready()) return false;
    int64_t most = 0;  // tasks to a key-value head
    for (int64_t b = 0; b < call_.problem.sequences(); ++b) {
      const int64_t rows = joins_heads(b) ? heads_of_group() : call_.problem.queries(b);
      most = std::max(most, (rows + kQueryTile - 1) / kQueryTile * (joins_heads(b) ? 1 : heads_of_group()));
    }
    return most > kFewTasks;
  }

  void pack_keys() {
    const int64_t tiles = call_.all_tiles();
    const bool skips = call_.skips();
    k_transposed_ = at::empty({call_.groups * tiles * tile_size()}, at::kFloat);
    v_ = at::empty({call_.groups * tiles * tile_size()}, at::kFloat);
    run_tasks<PackScratch>(call_.groups * tiles, [&](int64_t task, PackScratch& scratch) {
      const int64_t g = task / tiles, tile = task % tiles, b = call_.sequence_of_tile(tile);
      const int64_t j = (tile - call_.tile_offset(b)) * kKeyTile, count = std::min(kKeyTile, call_.problem.keys(b) - j);
      float* transposed = k_transposed_.data_ptr<float>() + task * tile_size();
      call_.transpose_keys(b, j, g, scratch.rows, transposed);
      if (skips) {
        column_norms(transposed, call_.head_dim, scratch.norms);
        call_.set_k_norm(g, tile, *std::max_element(scratch.norms, scratch.norms + count));
      }
      pack_tile(call_.key_rows(call_.x.v, b, j, g), count, call_.head_dim, v_.data_ptr<float>() + task * tile_size());
    });
    if (skips) call_.finish_k_norms();
  }

  // Queries before the first key.
  void blank_rows(int64_t b) {
    const int64_t begin = call_.problem.spans.query_offsets[b];
    const int64_t end = begin + std::min(call_.first_row(b), call_.problem.queries(b));
    if (end <= begin) return;
    result_.out.slice(0, begin, end).zero_();
    result_.lse.slice(1, begin, end).fill_(-kNoKey);
  }

  // The longest first, so that the threads end together.
  void list_work(int64_t b, int64_t r0, int64_t r1, Work& work) const {
    if (call_.problem.queries(b) == 1) return list_heads(b, r0, work);
    for (int64_t h = 0; h < call_.heads; ++h) {
      const int64_t tiles = (r1 - r0 + kQueryTile - 1) / kQueryTile;
      for (int64_t n = tiles - 1; n >= 0; --n) {
        work.queries.push_back({b, h, r0 + n * kQueryTile, std::min(r1, r0 + (n + 1) * kQueryTile)});
        work.begin.push_back(work.queries.size());
      }
    }
  }

  // The heads of one query in as many tasks as there are threads.
  void list_heads(int64_t b, int64_t r, Work& work) const {
    const size_t first = work.queries.size();
    for (int64_t h = 0, count = 1; h < call_.heads; h += count) {
      if (joins_heads(b)) count = std::min(kQueryTile, heads_of_group() - h % heads_of_group());
      work.queries.push_back({b, h, r, r + 1, count});
    }
    const int64_t lanes = static_cast<int64_t>(work.queries.size() - first), threads = at::get_num_threads();
    const int64_t tasks = std::max((lanes + kLanes - 1) / kLanes, std::min(lanes, threads));
    for (int64_t n = 1; n <= tasks; ++n) work.begin.push_back(first + static_cast<size_t>(n * lanes / tasks));
  }

  void run(Work& work, const Tensor& dense, int64_t dense_begin) {
    run_tasks<QueryScratch>(static_cast<int64_t>(work.begin.size()) - 1, [&](int64_t n, QueryScratch& scratch) {
      const size_t begin = work.begin[static_cast<size_t>(n)], end = work.begin[static_cast<size_t>(n) + 1];
      run(work.queries.data() + begin, end - begin, dense, dense_begin, scratch);
    });
    AttentionStats* stats = call_.problem.options.stats;
    if (stats == nullptr) return;
    stats->tiles.resize(static_cast<size_t>(call_.heads));
    stats->skipped.resize(static_cast<size_t>(call_.heads));
    for (const Queries& queries : work.queries) {
      for (int64_t h = queries.h; h < queries.h + queries.heads; ++h) {
        stats->tiles[static_cast<size_t>(h)] += queries.count.tiles;
        stats->skipped[static_cast<size_t>(h)] += queries.count.skipped;
      }
    }
  }

  void run(Queries* queries, size_t count, const Tensor& dense, int64_t dense_begin, QueryScratch& scratch) {
    Lane lanes[kLanes];
    for (size_t n = 0; n < count; ++n) lanes[n] = lane_of(queries[n], dense, dense_begin, scratch.lanes[n]);
    forward_rows(call_.setting, scratch.tile, lanes, static_cast<int64_t>(count));
    for (size_t n = 0; n < count; ++n) {
      queries[n].count = lanes[n].count;
      store(queries[n], lanes[n]);
    }
  }

  Lane lane_of(const Queries& queries, const Tensor& dense, int64_t dense_begin, LaneScratch& scratch) const {
    const int64_t b = queries.b, h = queries.h, r0 = queries.r0;
    const bool joined = queries.heads > 1;
    const int64_t count = joined ? queries.heads : queries.r1 - r0;
    call_.query_factors(b, r0, queries.r1 - r0, scratch.factors);
    if (joined) std::fill_n(scratch.factors, count, scratch.factors[0]);
    Strided q = call_.query_rows(call_.x.q, b, r0, h);
    if (joined) q.row = call_.x.q.stride(1);
    pack_rows(q, count, call_.head_dim, scratch.factors, scratch.q);
    if (call_.skips(b)) row_norms(scratch.q, count, call_.padded_dim, scratch.q_norm);
    Rows rows{count, call_.problem.first_query(b) + r0, scratch.q, scratch.q_norm, call_.g(b, r0, h), nullptr, 0};
    if (dense.defined()) {
      rows.dense_row = dense.size(2);
      rows.dense = dense.const_data_ptr<float>() + (h * dense.size(1) + r0 - dense_begin) * rows.dense_row;
    }
    return {keys_of(b, h), rows, &scratch.sums, scratch.lse, {}};
  }

  Keys keys_of(int64_t b, int64_t h) const {
    Keys keys = call_.keys(b, h);
    const int64_t group = h / heads_of_group();
    const int64_t first_tile = group * call_.all_tiles() + call_.tile_offset(b);
    const auto packed = [&](const Tensor& tiles) {
      return tiles.defined() ? tiles.const_data_ptr<float>() + first_tile * tile_size() : nullptr;
    };
    keys.k_transposed = packed(k_transposed_), keys.v = packed(v_);
    keys.k_rows = call_.all_key_rows(call_.x.k, b, group);
    keys.v_rows = call_.all_key_rows(call_.x.v, b, group);
    const auto& pages = call_.problem.spans.pages;
    if (pages) {
      keys.pages = (*pages)[static_cast<size_t>(b)].data();
      keys.page_scales = call_.groups * kPageRows, keys.page_numbers = keys.page_scales * call_.head_dim;
    }
    return keys;
  }

  void store(const Queries& queries, const Lane& lane) {
    const bool joined = queries.heads > 1;
    const int64_t query = call_.problem.spans.query_offsets[queries.b] + queries.r0, count = lane.rows.count;
    double* lse = result_.lse.data_ptr<double>() + queries.h * call_.tokens + query;
    for (int64_t r = 0; r < count; ++r) lse[r * (joined ? call_.tokens : 1)] = lane.lse[r];
    void* out = static_cast<char*>(result_.out.data_ptr()) +
                (query * call_.heads + queries.h) * call_.head_dim * result_.out.element_size();
    const int64_t next = joined ? call_.head_dim : call_.heads * call_.head_dim;  // from one row of out to the next
    unpack_rows(lane.scratch->out, count, call_.head_dim, 1, out, call_.storage, next);
  }

  const CpuCall& call_;
  Tensor k_transposed_, v_;  // [G, tiles, ...], or undefined: tiles are packed on the way, or read as they lie
  AttentionResult result_;
};

}  // namespace

AttentionResult attention_cpu_forward(const AttentionProblem& problem, const AttentionTensors& x) {
  return ForwardPass(CpuCall(problem, x)).run();
}

}  // namespace longhaul
