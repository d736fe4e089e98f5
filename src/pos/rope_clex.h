// CLEX as a policy: frequencies that a trained ODE carries from the trained length to that of the text (ops/clex/clex_ode.h). Config
// keys of published checkpoints: max_factor, param_factor, act, time_dt; weights model.clex_layer.*.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ops/clex/clex_ode.h"
#include "pos/rope_policy.h"

namespace longhaul {

struct ClexSettings {
  ClexOde ode;
  double theta = 10000;     // of the frequencies at t = 1, where the checkpoint does not hold them
  int64_t trained = 0;      // M: tokens of t = 1
  int64_t max_factor = 16;  // T: the largest t
  ClexArithmetic arithmetic = ClexArithmetic::f64;
  bool by_chunk = false;
};

class ClexRope : public RopePolicy {
 public:
  explicit ClexRope(const ClexSettings& settings) : settings_(settings) {}
  // The same weights under other settings.
  ClexRope(const ClexSettings& settings, const ClexRope& other)
      : settings_(settings), stored_(other.stored_), up_(other.up_), down_(other.down_) {}

  // Up [d/2, hidden] and Down [hidden, d/2], float or double; stored: the frequencies at t = 1 [d/2], undefined: theta's.
  void set_weights(const Tensor& up, const Tensor& down, const Tensor& stored);
  void declare(const RopeWeights& weights);

  std::vector<double> frequencies(int64_t length) const override;
  bool moves_with_length() const override { return settings_.max_factor > 1; }
  int64_t longest() const override { return settings_.max_factor * settings_.trained; }
  std::string limit() const override {
    return str("the ODE ends at ", longest(), " tokens (max_factor x trained length)");
  }
  bool by_chunk() const override { return settings_.by_chunk; }
  std::optional<Drawn> draw(const Sequences& seq, const Step& step) const override;

  const ClexSettings& settings() const { return settings_; }
  const Tensor& up() const { return up_; }
  const Tensor& down() const { return down_; }
  int64_t factor_of(int64_t length) const;            // t: ceil(length / M), at most T
  std::vector<double> first() const;                  // the frequencies at t = 1
  Tensor differentiable_frequencies(double t) const;  // [d/2] double, with gradients for Up and Down when t > 1
  // Positions of a training text of `length` tokens that stands for one of length * t / s, s = max(1, floor(length / M)):
  // 0, then multiples of 1 / s drawn without repetition and sorted, then floor(length t / s) - 1.
  std::vector<double> drawn_positions(int64_t length, int64_t t, const Step& step) const;

 private:
  struct Solved {
    Tensor up, down, stored;                 // copies of the weights that it was solved for
    std::vector<std::vector<double>> table;  // [T - 1][d/2], of t = 2 .. T
  };
  ClexWeights weights() const;
  std::shared_ptr<const Solved> solved() const;  // for the weights as they are now

  ClexSettings settings_;
  Tensor stored_, up_, down_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Solved> solved_;  // the last one
};

}  // namespace longhaul
