// What forward and backward of the fused CPU path share: addresses, packed biases, bounds for skipping, tasks on threads.
#pragma once
#include <ATen/Parallel.h>

#include <atomic>
#include <limits>
#include <memory>

#include "ops/attention/attention_kernels.h"
#include "ops/attention/attention_problem.h"

namespace longhaul {

// Kept by each thread: freeing this much makes malloc tidy up, in every layer of every token.
template <class Scratch>
Scratch& thread_scratch() {
  thread_local const auto scratch = std::make_unique_for_overwrite<Scratch>();
  return *scratch;
}

// body(task, scratch) for every task, each on some thread. Which thread never shows in a result: a task owns what it writes.
template <class Scratch, class Body>
void run_tasks(int64_t count, const Body& body) {
  std::atomic<int64_t> next{0};
  const int64_t workers = std::min<int64_t>(count, at::get_num_threads());
  at::parallel_for(0, workers, 1, [&](int64_t, int64_t) {
    Scratch& scratch = thread_scratch<Scratch>();
    for (int64_t task = next++; task < count; task = next++) body(task, scratch);
  });
}

class CpuCall {
 public:
  CpuCall(const AttentionProblem& problem, const AttentionTensors& x);

  // Queries of sequence b that see a key: [first_row(b), queries(b)).
  int64_t first_row(int64_t b) const { return std::max<int64_t>(0, -problem.first_query(b)); }
  // Rows of q, or of a tensor like it, from query r of sequence b.
  kernels::Strided query_rows(const Tensor& t, int64_t b, int64_t r, int64_t h) const;
  // Rows of k or v from key j of sequence b on: to the end of its tile, or of the sequence when there are no pages. Of a pool of
  // keys, j is the first of a tile, and it lies transposed.
  kernels::Strided key_rows(const Tensor& t, int64_t b, int64_t j, int64_t g) const;
  // The tile of keys from j on as [D][kKeyTile]; rows [kKeyTile][Dp] is used on the way.
  void transpose_keys(int64_t b, int64_t j, int64_t g, float* rows, float* to) const;
  // What Keys::k_rows and v_rows begin with: key 0 of sequence b, or the pool that its pages lie in.
  kernels::Strided all_key_rows(const Tensor& t, int64_t b, int64_t g) const;
  // [count] scale * row scale * log2(e) of queries from r of sequence b.
  void query_factors(int64_t b, int64_t r, int64_t count, float* factors) const;
  // Bias and bounds of (b, h); without the packed k and v.
  kernels::Keys keys(int64_t b, int64_t h) const;
  const float* g(int64_t b, int64_t r, int64_t h) const;
  // Index, among the tiles of all sequences, of tile 0 of sequence b.
  int64_t tile_offset(int64_t b) const { return tile_offset_[b]; }
  int64_t all_tiles() const { return tile_offset_.back(); }
  int64_t sequence_of_tile(int64_t tile) const;
  // Calls visit(b, r0, r1, dense) for blocks of rows that together are all rows of all sequences. With a row-block bias, dense is
  // [H, r1 - r0, dense_row(b)], padded; else undefined and a block is a whole sequence.
  void for_each_row_block(
      const std::function<void(int64_t b, int64_t r0, int64_t r1, const Tensor& dense)>& visit) const;
  int64_t dense_row(int64_t b) const { return kernels::tiles_of(problem.keys(b)) * kernels::kKeyTile; }
  bool separable() const { return s_high_.defined(); }
  // Whether tiles of sequence b may be skipped, and of any: it takes a pass over k, which has to be worth it. Of a sequence alone,
  // so that its result does not depend on its neighbours.
  bool skips(int64_t b) const;
  bool skips() const;
  // The bounds of k that skipping needs: all at once, or each tile by who packs it and then the end of it.
  void norm_keys() const;
  void set_k_norm(int64_t g, int64_t tile, float norm) const {
    k_norm_.data_ptr<float>()[g * all_tiles() + tile] = norm;
  }
  void finish_k_norms() const;

  const AttentionProblem& problem;
  const AttentionTensors& x;
  int64_t heads, groups, head_dim, padded_dim, tokens;
  int64_t longest = 0;                    // keys of the longest sequence
  kernels::Storage storage, key_storage;  // of queries; of keys and values
  kernels::Setting setting;

 private:
  kernels::Strided group_rows(const Tensor& t, int64_t row, int64_t g) const;
  void split_s(const Tensor& s);
  // before[.., t] = combine of values of the tiles of t's sequence up to t.
  void scan(const Tensor& values, const Tensor& before, float (*combine)(float, float)) const;
  void expand_table(const Tensor& table);

  std::vector<int64_t> tile_offset_;
  Tensor k_norm_, k_norm_before_;                       // [G, tiles], when tiles may be skipped
  Tensor s_high_, s_low_;                               // [H, tiles * kKeyTile + kQueryTile]
  Tensor s_min_, s_max_, s_min_before_, s_max_before_;  // [H, tiles]
  Tensor g_;                                            // [H, T + kQueryTile]
  Tensor distance_, distance_limit_;                    // [H, longest + kDistancePad], [H, longest]
};

}  // namespace longhaul
