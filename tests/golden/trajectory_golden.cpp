// kind gpt_trajectory: twenty optimiser steps; losses, gradient norms, learning rates, and the weights they end at.
#include <ATen/ops/tensor.h>
#include <torch/csrc/autograd/autograd.h>

#include "golden/golden.h"
#include "golden/gpt_fixture.h"
#include "nn/forward.h"
#include "train/optimizer.h"

namespace longhaul::golden {

namespace {

Tensor numbers(const Json& list) { return at::tensor(list.get<std::vector<double>>(), at::TensorOptions(at::kDouble)); }

struct Trace {
  std::vector<double> loss, norm, lr;
};

// Step s trains on batches[s % n], the whole batch at once.
Trace train(Model& model, const Tensor& batches, const Schedule& schedule, int64_t steps) {
  Optimizer optimizer(model.parameters(), {});
  Trace trace;
  for (int64_t s = 0; s < steps; ++s) {
    Tensor batch = batches[s % batches.size(0)];
    int64_t count = batch.size(0), length = batch.size(1) - 1;
    Tensor tokens = batch.narrow(1, 0, length).flatten(), targets = batch.narrow(1, 1, length).flatten();
    Tensor loss = loss_sum(model, tokens, targets, Sequences::equal(count, length), {.step = {.training = true}}) /
                  static_cast<double>(count * length);
    torch::autograd::backward({loss}, {});
    Update update = optimizer.step(gradients_of(optimizer.trainable()), s, schedule);
    drop_gradients(optimizer.trainable());
    trace.loss.push_back(loss.item<double>());
    trace.norm.push_back(update.norm);
    trace.lr.push_back(update.lr);
  }
  return trace;
}

void compare_run(const Fixture& fixture, const GptFixtureConfig& config, const std::string& name, at::ScalarType dtype,
                 Report& report) {
  const Json& run = fixture.info.at("runs").at(name);
  Schedule schedule{.max_lr = run.at("max_lr"),
                    .min_lr = run.at("min_lr"),
                    .warmup = run.at("warmup"),
                    .max_steps = run.at("max_steps")};
  auto model = make_fixture_model(fixture, config, dtype);
  Trace trace = train(*model, fixture.at("batches", at::kLong), schedule, static_cast<int64_t>(run.at("loss").size()));
  std::string mode = (dtype == at::kDouble ? "double " : "f32 ") + name;
  double tolerance = dtype == at::kDouble ? 1e-12 : 1e-5;
  auto same = [&](const char* what, const std::vector<double>& got, const Json& want) {
    report.near(mode + " " + what, at::tensor(got, at::TensorOptions(at::kDouble)), numbers(want), tolerance);
  };
  same("loss", trace.loss, run.at("loss"));
  same("grad_norm_before_clip", trace.norm, run.at("grad_norm_before_clip"));
  same("lr", trace.lr, run.at("lr"));
  // In f32 Adam amplifies the zero gradients of key biases.
  if (dtype != at::kDouble || name != "short_schedule") return;
  for (const Parameter& p : model->parameters().all())
    report.near(mode + " final " + p.name, p.tensor, fixture.at("final." + p.name), 2e-7);
}

bool handle(const Fixture& fixture, Report& report) {
  GptFixtureConfig config = read_gpt_config(fixture.info.at("config"), fixture.path);
  if (config.position.empty()) return false;
  for (const auto& [name, run] : fixture.info.at("runs").items()) {
    if (name.ends_with("_float32")) continue;  // the reference's own f32 run: for people
    for (at::ScalarType dtype : {at::kDouble, at::kFloat}) compare_run(fixture, config, name, dtype, report);
  }
  return true;
}

const bool claimed = claim("gpt_trajectory", handle);

}  // namespace

}  // namespace longhaul::golden
