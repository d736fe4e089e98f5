#include "ops/attention/attention_cpu.h"

#include <ATen/ops/empty.h>

#include "ops/attention/attention_cpu_call.h"

namespace longhaul {
namespace {

using namespace kernels;

constexpr int64_t kFewTasks = 2;       // to a key-value head
constexpr int64_t kWorthNorms = 2048;  // keys from which a pass over k costs less than the tiles that it lets us skip

struct alignas(64) PackScratch {
  float rows[kKeyTile * kLargestDim];
  float norms[kKeyTile];
};

struct alignas(64) QueryScratch {
  float q[kQueryTile * kLargestDim];
  float q_norm[kQueryTile], factors[kQueryTile];
  double lse[kQueryTile];
  ForwardScratch forward;
};

class ForwardPass {
 public:
  explicit ForwardPass(const CpuCall& call) : call_(call), setting_(call.setting) {
    result_.out = at::empty(call.x.q.sizes(), call.x.q.options().memory_format(at::MemoryFormat::Contiguous));
    result_.lse = at::empty({call.heads, call.tokens}, at::kDouble);
  }

  AttentionResult run() {
    if (worth_packing()) {
      pack_keys();
    } else if (call_.skips() && call_.longest >= kWorthNorms) {
      call_.norm_keys();
    } else {
      setting_.log2_eps = -INFINITY;
    }
    for (int64_t b = 0; b < call_.problem.sequences(); ++b) blank_rows(b);
    if (call_.problem.bias == BiasKind::rows) {
      call_.for_each_row_block([&](int64_t b, int64_t r0, int64_t r1, const Tensor& dense) {
        std::vector<Task> tasks;
        list_tasks(b, r0, r1, tasks);
        run(tasks, dense, r0);
      });
    } else {
      std::vector<Task> tasks;
      call_.for_each_row_block([&](int64_t b, int64_t r0, int64_t r1, const Tensor&) { list_tasks(b, r0, r1, tasks); });
      run(tasks, {}, 0);
    }
    return result_;
  }

 private:
  // Queries [r0, r1) of head h, or one query of `heads` of them.
  struct Task {
    int64_t b, h, r0, r1;
    int64_t heads = 1;
    TileCount count = {};
  };

  int64_t tile_size() const { return kKeyTile * call_.padded_dim; }

  int64_t heads_of_group() const { return call_.heads / call_.groups; }

  // A single query that sees every key, whatever its head: the heads that share keys are then like queries behind each other.
  bool joins_heads(int64_t b) const {
    const AttentionProblem& problem = call_.problem;
    return problem.queries(b) == 1 && problem.keys(b) > 0 && setting_.form == Form::none && setting_.window == 0 &&
           problem.nearest == 0 && problem.first_keys == 0;
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
    k_transposed_ = at::empty({call_.groups * tiles * tile_size()}, at::kFloat);
    v_ = at::empty({call_.groups * tiles * tile_size()}, at::kFloat);
    run_tasks<PackScratch>(call_.groups * tiles, [&](int64_t task, PackScratch& scratch) {
      const int64_t g = task / tiles, tile = task % tiles, b = call_.sequence_of_tile(tile);
      const int64_t j = (tile - call_.tile_offset(b)) * kKeyTile, count = std::min(kKeyTile, call_.problem.keys(b) - j);
      float* transposed = k_transposed_.data_ptr<float>() + task * tile_size();
      call_.transpose_keys(b, j, g, scratch.rows, transposed);
      column_norms(transposed, call_.head_dim, scratch.norms);
      call_.set_k_norm(g, tile, *std::max_element(scratch.norms, scratch.norms + count));
      pack_tile(call_.key_rows(call_.x.v, b, j, g), count, call_.head_dim, v_.data_ptr<float>() + task * tile_size());
    });
    call_.finish_k_norms();
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
  void list_tasks(int64_t b, int64_t r0, int64_t r1, std::vector<Task>& tasks) const {
    if (joins_heads(b)) {
      for (int64_t h = 0, count = 0; h < call_.heads; h += count) {
        count = std::min(kQueryTile, heads_of_group() - h % heads_of_group());
        tasks.push_back({b, h, r0, r1, count});
      }
      return;
    }
    for (int64_t h = 0; h < call_.heads; ++h) {
      const int64_t tiles = (r1 - r0 + kQueryTile - 1) / kQueryTile;
      for (int64_t n = tiles - 1; n >= 0; --n) {
        tasks.push_back({b, h, r0 + n * kQueryTile, std::min(r1, r0 + (n + 1) * kQueryTile)});
      }
    }
  }

  void run(std::vector<Task>& tasks, const Tensor& dense, int64_t dense_begin) {
    run_tasks<QueryScratch>(static_cast<int64_t>(tasks.size()), [&](int64_t n, QueryScratch& scratch) {
      run(tasks[static_cast<size_t>(n)], dense, dense_begin, scratch);
    });
    AttentionStats* stats = call_.problem.options.stats;
    if (stats == nullptr) return;
    stats->tiles.resize(static_cast<size_t>(call_.heads));
    stats->skipped.resize(static_cast<size_t>(call_.heads));
    for (const Task& task : tasks) {
      for (int64_t h = task.h; h < task.h + task.heads; ++h) {
        stats->tiles[static_cast<size_t>(h)] += task.count.tiles;
        stats->skipped[static_cast<size_t>(h)] += task.count.skipped;
      }
    }
  }

  void run(Task& task, const Tensor& dense, int64_t dense_begin, QueryScratch& scratch) {
    const bool joined = task.heads > 1;
    const int64_t count = joined ? task.heads : task.r1 - task.r0, dim = call_.padded_dim;
    call_.query_factors(task.b, task.r0, task.r1 - task.r0, scratch.factors);
    if (joined) std::fill_n(scratch.factors, count, scratch.factors[0]);
    Strided q = call_.query_rows(call_.x.q, task.b, task.r0, task.h);
    if (joined) q.row = call_.x.q.stride(1);
    pack_rows(q, count, call_.head_dim, scratch.factors, scratch.q);
    row_norms(scratch.q, count, dim, scratch.q_norm);
    Keys keys = call_.keys(task.b, task.h);
    const int64_t group = task.h / heads_of_group();
    const int64_t first_tile = group * call_.all_tiles() + call_.tile_offset(task.b);
    const auto packed = [&](const Tensor& tiles) {
      return tiles.defined() ? tiles.const_data_ptr<float>() + first_tile * tile_size() : nullptr;
    };
    keys.k_transposed = packed(k_transposed_), keys.v = packed(v_);
    keys.k_rows = call_.all_key_rows(call_.x.k, task.b, group);
    keys.v_rows = call_.all_key_rows(call_.x.v, task.b, group);
    const auto& pages = call_.problem.spans.pages;
    if (pages) {
      keys.pages = (*pages)[static_cast<size_t>(task.b)].data();
      keys.page_scales = call_.groups * kPageRows, keys.page_numbers = keys.page_scales * call_.head_dim;
    }
    Rows rows{count,
              call_.problem.first_query(task.b) + task.r0,
              scratch.q,
              scratch.q_norm,
              call_.g(task.b, task.r0, task.h),
              nullptr,
              0};
    if (dense.defined()) {
      rows.dense_row = dense.size(2);
      rows.dense = dense.const_data_ptr<float>() + (task.h * dense.size(1) + task.r0 - dense_begin) * rows.dense_row;
    }
    const int64_t query = call_.problem.spans.query_offsets[task.b] + task.r0;
    task.count = forward_rows(setting_, keys, rows, scratch.forward, scratch.lse);
    double* lse = result_.lse.data_ptr<double>() + task.h * call_.tokens + query;
    for (int64_t r = 0; r < count; ++r) lse[r * (joined ? call_.tokens : 1)] = scratch.lse[r];
    void* out = static_cast<char*>(result_.out.data_ptr()) +
                (query * call_.heads + task.h) * call_.head_dim * result_.out.element_size();
    const int64_t next = joined ? call_.head_dim : call_.heads * call_.head_dim;  // from one row of out to the next
    unpack_rows(scratch.forward.out, count, call_.head_dim, 1, out, call_.storage, next);
  }

  const CpuCall& call_;
  Setting setting_;
  Tensor k_transposed_, v_;  // [G, tiles, ...], or undefined: tiles are packed on the way, or read as they lie
  AttentionResult result_;
};

}  // namespace

AttentionResult attention_cpu_forward(const AttentionProblem& problem, const AttentionTensors& x) {
  return ForwardPass(CpuCall(problem, x)).run();
}

}  // namespace longhaul
