// The ODE of CLEX (Chen et al. 2023, arXiv 2310.16450), to the letter of its authors' code (commit 023709d), which differs from
// the paper: the logarithms z of the rotary frequencies are its state, the factor t by which a text outgrows the trained length
// is its time.
//   alpha(t)  = 2 t - 1
//   ln w_m(t) = -(2m / d) ln base - (2m / (d - 2)) ln alpha          base is 10000, whatever the model's theta
//   dz_m / dt = (act((z + ln w) Up) Down)_m - 2 (2m) / ((d - 2) alpha),   m = 0 .. d/2 - 1
// Solved as torchdiffeq 0.2.3 does with method "rk4": the 3/8 rule on a fixed grid of `step` whose last point is the end; values
// at the times asked for are interpolated between the points around them.
#pragma once
#include <cstdint>
#include <vector>

namespace longhaul {

enum class ClexActivation { tanh, silu };

// f64, or f32 in the order of the authors' operations (off by up to 2e-5 of a frequency at t = 16).
enum class ClexArithmetic { f64, f32 };

struct ClexOde {
  int64_t dim = 0;     // d: dimensions of a head that turn, > 2
  int64_t hidden = 0;  // columns of Up
  ClexActivation activation = ClexActivation::silu;
  double step = 0.01;
  double base = 10000;
};

struct ClexWeights {
  std::vector<double> up;    // [d/2, hidden]
  std::vector<double> down;  // [hidden, d/2]
};

// dz/dt at (t, z [d/2]).
std::vector<double> clex_slope(const ClexOde& ode, const ClexWeights& weights, double t, const std::vector<double>& z);

// exp(z) at each of `times`, which ascend, the first > 1; z(1) = ln frequencies [d/2].
std::vector<std::vector<double>> clex_frequencies(const ClexOde& ode, const ClexWeights& weights,
                                                  const std::vector<double>& frequencies,
                                                  const std::vector<double>& times, ClexArithmetic arithmetic);

// The gradients of Up and Down, given that of z(t) [d/2]: back through every stage of every step, in double.
ClexWeights clex_gradient(const ClexOde& ode, const ClexWeights& weights, const std::vector<double>& frequencies,
                          double t, const std::vector<double>& dz);

}  // namespace longhaul
