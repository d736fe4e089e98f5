#include "train/cost.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "ops/linear/product.h"

namespace longhaul {

double measure_gemm_rate(at::ScalarType dtype, double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr int64_t kSide = 768;
  at::NoGradGuard no_grad;
  Tensor a = at::ones({kSide, kSide}, dtype), b = at::ones({kSide, kSide}, dtype), c = at::empty_like(a);
  product_into(c, a, b);
  double best = 0;
  for (Clock::time_point start = Clock::now(), last = start;
       best == 0 || last - start < std::chrono::duration<double>(seconds);) {
    product_into(c, a, b);
    Clock::time_point now = Clock::now();
    double elapsed = std::chrono::duration<double>(now - last).count();
    best = std::max(best, 2.0 * kSide * kSide * kSide / elapsed);
    last = now;
  }
  return best;
}

double step_flops(const ModelInfo& info, const TrainSettings& settings) {
  double windows = static_cast<double>(settings.total_batch_tokens / settings.seq_len);
  return 3 * windows * info.forward_flops(settings.seq_len, settings.seq_len);
}

MemoryEstimate estimate_memory(const Model& model, const TrainSettings& settings) {
  const ModelInfo& info = model.info();
  double element = settings.dtype == "f64" ? 8 : 4;
  MemoryEstimate estimate;
  estimate.weights = estimate.gradients = element * static_cast<double>(model.parameters().count());
  estimate.moments = 2 * estimate.weights;
  double tokens = static_cast<double>(settings.batch * settings.seq_len), width = static_cast<double>(info.width);
  // A layer keeps its input, q, k, v, the attention's output and log-sum-exps, the stream after attention, and what enters
  // the activation; recomputation keeps the input alone and has one layer in full at a time.
  double heads = static_cast<double>(info.head_dim * (info.heads + 2 * info.kv_heads));
  double layer = 3 * width + heads + static_cast<double>(info.heads) + static_cast<double>(info.hidden);
  double layers = static_cast<double>(info.layers);
  double kept = settings.recompute ? layers * width + layer : layers * layer;
  estimate.activations = element * tokens * (kept + 4 * width);
  return estimate;
}

Json plan_json(const Model& model, const TrainSettings& settings, const Dataset& dataset) {
  const TokenSplit& train = dataset.split("train");
  MemoryEstimate memory = estimate_memory(model, settings);
  double trained = static_cast<double>(settings.steps) * static_cast<double>(settings.total_batch_tokens);
  return {{"model", model.info().label},
          {"position", model.info().position},
          {"parameters", model.parameters().count()},
          {"tokens_per_step", settings.total_batch_tokens},
          {"accumulation", settings.accumulation()},
          {"steps", settings.steps},
          {"train_tokens", train.tokens()},
          {"epochs", trained / static_cast<double>(train.tokens())},
          {"val_tokens", settings.val_tokens},
          {"flop_per_step", step_flops(model.info(), settings)},
          {"memory_bytes",
           {{"weights", memory.weights},
            {"gradients", memory.gradients},
            {"moments", memory.moments},
            {"activations", memory.activations},
            {"total", memory.total()}}}};
}

}  // namespace longhaul
