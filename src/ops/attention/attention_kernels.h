// The contract between the threads (attention_cpu*.cpp) and the vector code (attention_*_kernels.cpp). Free of tensors.
//
// Unit: logits are kept times log2(e), so that exp is exp2 ("binary logits"); a natural logarithm appears nowhere.
// Tiles: kKeyTile keys by kQueryTile queries. D is padded to Dp, a multiple of 16, with zeros.
// s, times log2(e) but for Form::kernel, is carried as a pair of floats, s = high + low to 48 bits: (high_i - high_j) + (low_i - low_j) is the difference formed in
// double and rounded once, for any |s|, at the cost of three additions a vector.
#pragma once
#include <cstdint>

namespace longhaul::kernels {

constexpr int64_t kKeyTile = 64, kQueryTile = 64;  // kQueryTile: a multiple of kStrip
constexpr int64_t kLargestDim = 256;
constexpr int64_t kStrip = 16;  // rows that share a limit of columns in a tile on the diagonal
constexpr double kLog2E = 1.4426950408889634;
constexpr int64_t kDistancePad = kKeyTile + kStrip;  // masked entries read and write as far beyond distance 0
constexpr float kNormSlack = 1.00001f;               // a norm is rounded up by this, so that it is a bound
constexpr float kNoKey = -1e30f;                     // running maximum of a row that has met no key; its lse is -kNoKey

inline int64_t padded(int64_t n) { return (n + 15) / 16 * 16; }
inline int64_t tiles_of(int64_t keys) { return (keys + kKeyTile - 1) / kKeyTile; }

// separable_both: non-causal, -g |s_i - s_j| for j > i.
enum class Form { none, distance, separable, separable_both, kernel, dense };

// The same for every tile of a call.
struct Setting {
  int64_t head_dim, padded_dim;
  Form form;
  bool causal;
  int64_t window;                       // 0: none
  float cap;                            // soft cap of the binary logits; 0: none
  float log2_eps;                       // skip what weighs less than 2^this of a row; -infinity: never skip
  int64_t nearest = 0, first_keys = 0;  // as AttentionProblem
};

// The end of what the query at `index` sees of `keys` keys; below 1: nothing.
inline int64_t seen_end(const Setting& setting, int64_t keys, int64_t index) {
  const int64_t end = setting.causal && index + 1 - setting.nearest < keys ? index + 1 - setting.nearest : keys;
  return setting.first_keys > 0 && setting.first_keys < end ? setting.first_keys : end;
}

// Rows of a tensor.
enum class Storage { f32, bf16, int8 };
struct Strided {
  const void* data;
  Storage storage;
  int64_t row;                    // elements from one row to the next
  const float* scales = nullptr;  // int8: what a row is multiplied by
  int64_t scale_row = 0;          // from one row's scale to the next
};
// The same rows so many numbers and scales further on.
inline Strided moved(const Strided& x, int64_t numbers, int64_t scales) {
  const int64_t bytes = numbers * (x.storage == Storage::f32 ? 4 : x.storage == Storage::bf16 ? 2 : 1);
  return {static_cast<const char*>(x.data) + bytes, x.storage, x.row, x.scales ? x.scales + scales : nullptr,
          x.scale_row};
}
inline Strided from(const Strided& x, int64_t row) { return moved(x, row * x.row, row * x.scale_row); }

// Largest |k| and the range of s over the keys of each tile, for the bounds of skipping; without k_norm nothing is skipped.
struct KeyBounds {
  const float *k_norm, *s_min, *s_max;
};

// Keys of one (sequence, head).
struct Keys {
  int64_t count;
  const float* k_transposed;  // [tiles][Dp][kKeyTile]; forward. Null: tiles are taken one by one from the rows below
  const float* v;             // [tiles * kKeyTile][Dp]; forward. Null: those of the rows below
  Strided k_rows, v_rows;
  // Null: tile t lies at row t * kKeyTile. Else it lies pages[t] pages further on, and a tile of k_rows is then what transpose_tile()
  // would make of it: D rows of kKeyTile numbers, with a scale for each column.
  const int64_t* pages;
  int64_t page_numbers, page_scales;
  const float *s_high, *s_low;  // [tiles * kKeyTile] or null
  const float* distance;        // binary bias of (i, j) at distance[longest - 1 - (i - j)], and kDistancePad zeros
  const float* distance_limit;  // [longest] largest binary bias at distances >= d
  int64_t longest;
  KeyBounds tile, prefix;  // of a tile; of a tile and all before it
};

// Consecutive queries of one (sequence, head).
struct Rows {
  int64_t count, index;  // at most kQueryTile; index of the first in its sequence
  const float* q;        // [count][Dp] times scale, row scale and log2(e)
  const float* q_norm;   // [padded] of those
  const float* g;        // [padded]
  const float* dense;    // [count][dense_row] natural bias, or null
  int64_t dense_row;
};

// ---- forward ---------------------------------------------------------------------------------------------------------
struct alignas(64) ForwardTile {  // of the tile at hand, when the keys are not packed
  float k[kKeyTile * kLargestDim], k_transposed[kKeyTile * kLargestDim], v[kKeyTile * kLargestDim];
};
struct alignas(64) ForwardSums {
  float logits[kQueryTile * kKeyTile], out[kQueryTile * kLargestDim];
  float maximum[kQueryTile], sum[kQueryTile], factor[kQueryTile];
};
struct TileCount {
  int64_t tiles = 0, skipped = 0;
};
struct Lane {
  Keys keys;
  Rows rows;
  ForwardSums* scratch;  // its out is the result, [count][Dp]
  double* lse;           // [count]
  TileCount count;       // of key tiles
};
constexpr int64_t kLanes = 16;
// 1 .. kLanes lanes that see the same key tiles, side by side through them: what they read of a page is then one stream.
void forward_rows(const Setting& setting, ForwardTile& tile, Lane* lanes, int64_t count);

// ---- backward --------------------------------------------------------------------------------------------------------
struct alignas(64) BackwardScratch {
  float p[kQueryTile * kKeyTile], dp[kQueryTile * kKeyTile];
  float ds[kKeyTile];
};
// One tile of keys, and its gradients, which add up over the rows.
struct KeyTile {
  int64_t index;                                 // keys index * kKeyTile ...
  const float *k, *k_transposed, *v_transposed;  // [kKeyTile][Dp], [Dp][kKeyTile] twice
  float *dk, *dv;                                // [kKeyTile][Dp]; dk is of the binary logits
};
struct RowGradients {
  const float *dout, *lse, *delta;  // [count][Dp], [count], [count] dout . out
  float* dq;                        // [count][Dp] added to; of the scaled product, natural
  float* dg;                        // [count] added to, or null; of log2(e) g
  double *ds_row, *ds;              // [count], [kKeyTile] added to: the shares of s_i and of s_j; with dg or null
  double* ddistance;                // [longest + kDistancePad] as Keys::distance, added to, or null
  float* ddense;                    // [count][dense_row] written, or null
};
// Adds the gradients of a (rows, key tile) pair; returns false when the pair was skipped.
bool backward_tile(const Setting& setting, const Keys& keys, const KeyTile& tile, const Rows& rows,
                   const RowGradients& grads, BackwardScratch& scratch);

}  // namespace longhaul::kernels
