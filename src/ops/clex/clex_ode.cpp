#include "ops/clex/clex_ode.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace longhaul {

namespace {

template <class Scalar>
using Values = std::vector<Scalar>;

template <class Scalar>
Values<Scalar> rounded(const std::vector<double>& from) {
  return {from.begin(), from.end()};
}

// One stage: what a slope was made from, kept for the way back.
template <class Scalar>
struct Stage {
  Values<Scalar> x;       // [d/2] z + ln w
  Values<Scalar> u, act;  // [hidden] x Up, act(u)
  Values<Scalar> slope;   // [d/2]
};

template <class Scalar>
class Solver {
 public:
  Solver(const ClexOde& ode, const ClexWeights& weights)
      : ode_(ode), half_(ode.dim / 2), up_(rounded<Scalar>(weights.up)), down_(rounded<Scalar>(weights.down)) {}

  void slope(Scalar t, const Values<Scalar>& z, Stage<Scalar>& stage) const {
    stage.x.resize(z.size()), stage.slope.resize(z.size());
    drift(t, stage);
    for (size_t m = 0; m < z.size(); ++m) stage.x[m] += z[m];
    multiply(stage.x, up_, ode_.hidden, stage.u);
    stage.act.resize(stage.u.size());
    for (size_t j = 0; j < stage.u.size(); ++j) stage.act[j] = activation(stage.u[j]);
    Values<Scalar> learned;
    multiply(stage.act, down_, half_, learned);
    for (size_t m = 0; m < z.size(); ++m) stage.slope[m] += learned[m];
  }

  // z at t1 from z at t0, by the 3/8 rule; the four stages are left in `stages`.
  Values<Scalar> step(Scalar t0, Scalar t1, const Values<Scalar>& z, Stage<Scalar> (&stages)[4]) const {
    const Scalar h = t1 - t0, third = h / 3;
    auto &k1 = stages[0].slope, &k2 = stages[1].slope, &k3 = stages[2].slope, &k4 = stages[3].slope;
    Values<Scalar> at(z.size());
    slope(t0, z, stages[0]);
    for (size_t m = 0; m < z.size(); ++m) at[m] = z[m] + h * k1[m] / 3;
    slope(t0 + third, at, stages[1]);
    for (size_t m = 0; m < z.size(); ++m) at[m] = z[m] + h * (k2[m] - k1[m] / 3);
    slope(t0 + 2 * third, at, stages[2]);
    for (size_t m = 0; m < z.size(); ++m) at[m] = z[m] + h * (k1[m] - k2[m] + k3[m]);
    slope(t1, at, stages[3]);
    for (size_t m = 0; m < z.size(); ++m) at[m] = z[m] + (k1[m] + 3 * (k2[m] + k3[m]) + k4[m]) * h / 8;
    return at;
  }

  // 1, 1 + h, ... up to the end, which is the last point.
  Values<Scalar> grid(double end) const {
    const auto h = static_cast<Scalar>(ode_.step);
    const auto points = static_cast<int64_t>(std::ceil((end - 1) / ode_.step + 1));
    Values<Scalar> times;
    for (int64_t i = 0; i < points; ++i) times.push_back(static_cast<Scalar>(i) * h + 1);
    times.back() = static_cast<Scalar>(end);
    return times;
  }

  // v -> J^T v at a stage, and the weights' shares added to `gradient`.
  Values<Scalar> pull(const Stage<Scalar>& stage, const Values<Scalar>& v, ClexWeights& gradient) const {
    Values<Scalar> back(v.size(), 0), du(stage.u.size());
    for (size_t j = 0; j < du.size(); ++j) {
      const Scalar* row = down_.data() + static_cast<int64_t>(j) * half_;
      double* to = gradient.down.data() + static_cast<int64_t>(j) * half_;
      Scalar sum = 0;
      for (int64_t m = 0; m < half_; ++m) {
        sum += v[m] * row[m];
        to[m] += stage.act[j] * v[m];
      }
      du[j] = sum * derivative(stage.u[j]);
    }
    for (size_t i = 0; i < v.size(); ++i) {
      const Scalar* row = up_.data() + static_cast<int64_t>(i) * ode_.hidden;
      double* to = gradient.up.data() + static_cast<int64_t>(i) * ode_.hidden;
      for (size_t j = 0; j < du.size(); ++j) {
        back[i] += du[j] * row[j];
        to[j] += stage.x[i] * du[j];
      }
    }
    return back;
  }

 private:
  // x = ln w(t) and slope = d ln w / dt, in the order of operations of the authors' code.
  void drift(Scalar t, Stage<Scalar>& stage) const {
    const auto d = static_cast<Scalar>(ode_.dim), alpha = t < 1 ? Scalar(1) : 2 * t - 1;
    const auto base = static_cast<Scalar>(ode_.base) * std::pow(alpha, d / (d - 2));
    const Scalar log_base = std::log(base);
    for (size_t m = 0; m < stage.x.size(); ++m) {
      const auto e = static_cast<Scalar>(2 * m);
      stage.x[m] = -(e / d) * log_base;
      stage.slope[m] = -2 * e / ((d - 2) * alpha);
    }
  }

  // y = x W, W [x.size(), columns].
  static void multiply(const Values<Scalar>& x, const Values<Scalar>& w, int64_t columns, Values<Scalar>& y) {
    y.assign(static_cast<size_t>(columns), 0);
    for (size_t i = 0; i < x.size(); ++i) {
      const Scalar* row = w.data() + static_cast<int64_t>(i) * columns;
      Scalar* to = y.data();
      const Scalar factor = x[i];
#pragma omp simd
      for (int64_t j = 0; j < columns; ++j) to[j] += factor * row[j];
    }
  }

  Scalar activation(Scalar u) const {
    return ode_.activation == ClexActivation::tanh ? std::tanh(u) : u / (1 + std::exp(-u));
  }
  Scalar derivative(Scalar u) const {
    if (ode_.activation == ClexActivation::tanh) return 1 - std::tanh(u) * std::tanh(u);
    const Scalar share = 1 / (1 + std::exp(-u));
    return share * (1 + u * (1 - share));
  }

  const ClexOde& ode_;
  const int64_t half_;
  const Values<Scalar> up_, down_;
};

template <class Scalar>
Values<Scalar> logarithms(const std::vector<double>& frequencies) {
  Values<Scalar> z;
  for (double frequency : frequencies) z.push_back(std::log(static_cast<Scalar>(frequency)));
  return z;
}

template <class Scalar>
std::vector<std::vector<double>> solve(const ClexOde& ode, const ClexWeights& weights,
                                       const std::vector<double>& frequencies, const std::vector<double>& times) {
  const Solver<Scalar> solver(ode, weights);
  const Values<Scalar> grid = solver.grid(times.back());
  std::vector<std::vector<double>> found;
  Values<Scalar> z = logarithms<Scalar>(frequencies);
  Stage<Scalar> stages[4];
  for (size_t i = 0; i + 1 < grid.size(); ++i) {
    const Values<Scalar> next = solver.step(grid[i], grid[i + 1], z, stages);
    while (found.size() < times.size() && grid[i + 1] >= static_cast<Scalar>(times[found.size()])) {
      const Scalar share = (static_cast<Scalar>(times[found.size()]) - grid[i]) / (grid[i + 1] - grid[i]);
      found.emplace_back();
      for (size_t m = 0; m < z.size(); ++m) found.back().push_back(std::exp(z[m] + share * (next[m] - z[m])));
    }
    z = next;
  }
  return found;
}

void check_sizes(const ClexOde& ode, const ClexWeights& weights, const std::vector<double>& frequencies) {
  const int64_t half = ode.dim / 2;
  const auto is = [](const std::vector<double>& values, int64_t count) {
    return static_cast<int64_t>(values.size()) == count;
  };
  check(ode.dim > 2 && ode.dim % 2 == 0 && ode.hidden >= 1 && ode.step > 0 && ode.base > 0,
        "clex: wanted at least two pairs that turn, a hidden width, a step and a base > 0, got ", half, ", ",
        ode.hidden, ", ", ode.step, " and ", ode.base);
  check(is(frequencies, half) && is(weights.up, half * ode.hidden) && is(weights.down, half * ode.hidden),
        "clex: frequencies must be [", half, "], Up [", half, ", ", ode.hidden, "], Down [", ode.hidden, ", ", half,
        "], got ", frequencies.size(), ", ", weights.up.size(), " and ", weights.down.size(), " numbers");
}

}  // namespace

std::vector<double> clex_slope(const ClexOde& ode, const ClexWeights& weights, double t, const std::vector<double>& z) {
  check_sizes(ode, weights, z);
  Stage<double> stage;
  Solver<double>(ode, weights).slope(t, z, stage);
  return stage.slope;
}

std::vector<std::vector<double>> clex_frequencies(const ClexOde& ode, const ClexWeights& weights,
                                                  const std::vector<double>& frequencies,
                                                  const std::vector<double>& times, ClexArithmetic arithmetic) {
  check_sizes(ode, weights, frequencies);
  check(!times.empty() && times.front() > 1 && std::is_sorted(times.begin(), times.end()),
        "clex: wanted ascending times > 1");
  return arithmetic == ClexArithmetic::f64 ? solve<double>(ode, weights, frequencies, times)
                                           : solve<float>(ode, weights, frequencies, times);
}

ClexWeights clex_gradient(const ClexOde& ode, const ClexWeights& weights, const std::vector<double>& frequencies,
                          double t, const std::vector<double>& dz) {
  check_sizes(ode, weights, frequencies);
  const Solver<double> solver(ode, weights);
  const std::vector<double> grid = solver.grid(t);
  std::vector<std::vector<double>> states = {logarithms<double>(frequencies)};
  Stage<double> stages[4];
  for (size_t i = 0; i + 1 < grid.size(); ++i)
    states.push_back(solver.step(grid[i], grid[i + 1], states.back(), stages));
  ClexWeights gradient{std::vector<double>(weights.up.size(), 0), std::vector<double>(weights.down.size(), 0)};
  std::vector<double> lambda = dz, d(dz.size());
  for (size_t i = grid.size() - 1; i-- > 0;) {
    const double h = grid[i + 1] - grid[i];
    solver.step(grid[i], grid[i + 1], states[i], stages);
    // d_s: the gradient of slope k_s; g_s: that of the state which stage s starts from.
    for (size_t m = 0; m < d.size(); ++m) d[m] = h * lambda[m] / 8;
    const std::vector<double> g4 = solver.pull(stages[3], d, gradient);
    for (size_t m = 0; m < d.size(); ++m) d[m] = 3 * h * lambda[m] / 8 + h * g4[m];
    const std::vector<double> g3 = solver.pull(stages[2], d, gradient);
    for (size_t m = 0; m < d.size(); ++m) d[m] = 3 * h * lambda[m] / 8 - h * g4[m] + h * g3[m];
    const std::vector<double> g2 = solver.pull(stages[1], d, gradient);
    for (size_t m = 0; m < d.size(); ++m) d[m] = h * lambda[m] / 8 + h * g4[m] - h / 3 * g3[m] + h / 3 * g2[m];
    const std::vector<double> g1 = solver.pull(stages[0], d, gradient);
    for (size_t m = 0; m < d.size(); ++m) lambda[m] += g1[m] + g2[m] + g3[m] + g4[m];
  }
  return gradient;
}

}  // namespace longhaul
