// AdamW over a model's parameters as the GPT recipe groups them: weight decay on trainable tensors of rank two and more
// (embeddings, matrices, position tables), none on the others. Tied tensors are in the table once, so they step once.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ops/adamw/adamw.h"
#include "ops/parameters.h"
#include "train/schedule.h"

namespace longhaul {

struct OptimizerOptions {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.1;
  double clip = 1.0;  // largest global gradient norm; 0: no clipping
};

struct Update {
  double norm = 0;  // of all gradients together, before clipping
  double lr = 0;
};

class Optimizer {
 public:
  Optimizer(const Parameters& parameters, const OptimizerOptions& options);

  // Step t (from 0) in the reference's order: clip over all gradients by clip / (norm + 1e-6), set the rate, step. Bounded
  // parameters are brought into their bounds first (Parameters::bound).
  // `gradients` are those of trainable(), in that order; an undefined one leaves its parameter alone.
  // When the norm is not finite nothing is changed: the caller looks at the result.
  Update step(const std::vector<Tensor>& gradients, int64_t t, const Schedule& schedule);

  const std::vector<Parameter>& trainable() const { return trainable_; }
  bool decayed(size_t i) const { return trainable_[i].tensor.dim() >= 2; }
  const Tensor& first_moment(size_t i) const { return first_[i]; }
  const Tensor& second_moment(size_t i) const { return second_[i]; }

  // "first_moment.<name>" and "second_moment.<name>" of every trainable parameter.
  void save(const std::string& path) const;
  // Error when a moment is missing, misshapen or of another dtype.
  void load(const std::string& path);

 private:
  using MomentFn = std::function<void(const std::string& name, const Tensor& moment)>;
  void each_moment(const MomentFn& visit) const;

  OptimizerOptions options_;
  std::vector<Parameter> trainable_;
  std::vector<Tensor> first_, second_;
};

// The gradients that backward() left in the trainable parameters, in the order Optimizer::step wants them.
std::vector<Tensor> gradients_of(const std::vector<Parameter>& trainable);
// Drops them, so that the next backward stores its own buffers instead of adding to old ones.
void drop_gradients(const std::vector<Parameter>& trainable);

}  // namespace longhaul
