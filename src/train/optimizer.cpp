#include "train/optimizer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

#include "base/error.h"
#include "models/tensor_io.h"

namespace longhaul {

Optimizer::Optimizer(const Parameters& parameters, const OptimizerOptions& options) : options_(options) {
  for (const Parameter& parameter : parameters.all()) {
    if (!parameter.trainable) continue;
    trainable_.push_back(parameter);
    first_.push_back(at::zeros_like(parameter.tensor, at::MemoryFormat::Contiguous));
    second_.push_back(at::zeros_like(parameter.tensor, at::MemoryFormat::Contiguous));
  }
}

namespace {

void keep_bounds(const std::vector<Parameter>& parameters) {
  at::NoGradGuard off;
  for (const Parameter& p : parameters)
    if (std::isfinite(p.low) || std::isfinite(p.high)) Tensor(p.tensor).clamp_(p.low, p.high);
}

}  // namespace

Update Optimizer::step(const std::vector<Tensor>& gradients, int64_t t, const Schedule& schedule) {
  check(gradients.size() == trainable_.size(), "optimizer: wanted ", trainable_.size(), " gradients, got ",
        gradients.size());
  Update update{global_norm(gradients), schedule.lr(t)};
  if (!std::isfinite(update.norm)) return update;
  keep_bounds(trainable_);
  double scale = options_.clip > 0 ? std::min(1.0, options_.clip / (update.norm + 1e-6)) : 1.0;
  for (bool decay : {true, false}) {
    std::vector<Tensor> parameters, slopes, first, second;
    for (size_t i = 0; i < trainable_.size(); ++i) {
      if (decayed(i) != decay) continue;
      parameters.push_back(trainable_[i].tensor);
      slopes.push_back(gradients[i]);
      first.push_back(first_[i]);
      second.push_back(second_[i]);
    }
    if (parameters.empty()) continue;
    adamw_step(parameters, slopes, first, second, t + 1,
               {update.lr, options_.beta1, options_.beta2, options_.eps, decay ? options_.weight_decay : 0.0}, scale);
  }
  return update;
}

void Optimizer::each_moment(const MomentFn& visit) const {
  for (size_t i = 0; i < trainable_.size(); ++i) {
    visit("first_moment." + trainable_[i].name, first_[i]);
    visit("second_moment." + trainable_[i].name, second_[i]);
  }
}

void Optimizer::save(const std::string& path) const {
  std::vector<NamedTensor> tensors;
  each_moment([&](const std::string& name, const Tensor& moment) { tensors.push_back(to_named(name, moment)); });
  write_safetensors(path, tensors);
}

void Optimizer::load(const std::string& path) {
  SafetensorsFile file = SafetensorsFile::open(path);
  each_moment([&](const std::string& name, const Tensor& moment) {
    Tensor stored = to_tensor(file.at(name));
    check(stored.scalar_type() == moment.scalar_type() && stored.sizes() == moment.sizes(), path, ": ", name,
          ": wanted ", moment.scalar_type(), " ", moment.sizes(), ", found ", stored.scalar_type(), " ",
          stored.sizes());
    moment.copy_(stored);
  });
}

std::vector<Tensor> gradients_of(const std::vector<Parameter>& trainable) {
  std::vector<Tensor> gradients;
  for (const Parameter& parameter : trainable) gradients.push_back(parameter.tensor.grad());
  return gradients;
}

void drop_gradients(const std::vector<Parameter>& trainable) {
  for (const Parameter& parameter : trainable) parameter.tensor.mutable_grad() = Tensor();
}

}  // namespace longhaul
