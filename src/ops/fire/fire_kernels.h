// FIRE's rows as pieces, without autograd. Private to ops/fire.
#pragma once
#include <cstdint>

namespace longhaul {

// Rows r of [H, R, K], row r at index i = first + r. Its keys j >= i hold intercept[h, 0]; key j before them, at distance d = i - j,
// holds slope[h, s] stretched[d] / divisor[r] + intercept[h, s], where s >= 1 is the first with d <= ends[r, s].
struct FireRows {
  int64_t heads, rows, keys, first, pieces;  // pieces: S, at least 2
  const float* stretched;          // from the largest distance, first + R - 1, down to 0, then kFirePad of anything
  const float* divisor;            // [R]
  const float *slope, *intercept;  // [H, S]
  const int64_t* ends;             // [R, S]; ends[r, 0] = 0, ends[r, S - 1] = i, not falling
};
constexpr int64_t kFirePad = 64;  // floats of the longest vector, and more

void fire_rows_cpu(const FireRows& rows, float* out);  // [H, R, K]

// Added to, by the gradient [H, R, K]. dstretched [H, first + R + kFirePad] is laid out as `stretched`.
struct FireGradients {
  float* dstretched;
  double *ddivisor, *dslope, *dintercept;  // [H, R], [H, S], [H, S]
};
void fire_rows_backward_cpu(const FireRows& rows, const float* dout, const FireGradients& gradients);

}  // namespace longhaul
