#include "pos/rope_clex.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "ops/clex/clex.h"

namespace longhaul {

namespace {

constexpr const char *kStored = "model.clex_layer.inv_freq", *kUp = "model.clex_layer.proj_func.ode_up_proj",
                     *kDown = "model.clex_layer.proj_func.ode_down_proj";
constexpr int64_t kMostFactor = int64_t{1} << 16;  // times a length or a width, each up to 2^30, it stays below 2^63
constexpr double kMostSteps = 1 << 20;             // each a point of the grid in memory

// How fine the ODE is solved: no step is longer than from one factor to the next, and there are not too many.
void check_steps(const RopeReader& reader, const char* key, const ClexSettings& settings) {
  if (settings.ode.step > 1) reader.refuse(key, "a number up to 1");
  if (static_cast<double>(settings.max_factor - 1) / settings.ode.step > kMostSteps)
    reader.refuse(key, str("at most ", static_cast<int64_t>(kMostSteps), " steps of time_dt up to max_factor"));
}

std::shared_ptr<const RopePolicy> make(RopeReader& reader) {
  const auto* current = dynamic_cast<const ClexRope*>(reader.current);
  check(!reader.current || current,
        "clex: the model has no clex_layer (rope_scaling of type clex in its config.json, and weights)");
  ClexSettings settings = current ? current->settings() : ClexSettings{};
  if (!current) settings.ode.dim = reader.base.dim, settings.trained = reader.base.max_positions;
  settings.theta = reader.base.theta;
  settings.max_factor = reader.integer("max_factor", settings.max_factor, kMostFactor);
  if (!current) {  // what the weights were trained with
    settings.ode.hidden = settings.ode.dim * reader.integer("param_factor", 1, kMostFactor);
    const bool tanh = reader.choice("act", {"silu", "tanh"}, "silu") == "tanh";
    settings.ode.activation = tanh ? ClexActivation::tanh : ClexActivation::silu;
    reader.is_set("factor");  // 1 in published files, and without a meaning
  }
  settings.ode.step = reader.positive("time_dt", settings.ode.step);
  check_steps(reader, reader.is_set("time_dt") ? "time_dt" : "max_factor", settings);
  settings.ode.base = reader.positive("clex_ode_base", settings.ode.base);
  const bool f32 = settings.arithmetic == ClexArithmetic::f32;
  settings.arithmetic =
      reader.choice("solver", {"f64", "f32"}, f32 ? "f32" : "f64") == "f32" ? ClexArithmetic::f32 : ClexArithmetic::f64;
  settings.by_chunk =
      reader.choice("chunks", {"prompt", "upstream"}, settings.by_chunk ? "upstream" : "prompt") == "upstream";
  check(settings.ode.dim > 2, "clex: wanted at least two pairs that turn, found ", settings.ode.dim / 2);
  if (current) return std::make_shared<ClexRope>(settings, *current);
  auto policy = std::make_shared<ClexRope>(settings);
  reader.declare = [policy](const RopeWeights& weights) { policy->declare(weights); };
  return policy;
}

}  // namespace

void ClexRope::set_weights(const Tensor& up, const Tensor& down, const Tensor& stored) {
  up_ = up, down_ = down, stored_ = stored;
}

void ClexRope::declare(const RopeWeights& weights) {
  const int64_t half = settings_.ode.dim / 2, hidden = settings_.ode.hidden;
  // Frequencies that were rounded to 16 bits put a text's end out of phase by radians: they are computed instead.
  if (weights.is_stored(kStored)) stored_ = weights.add(kStored, {half}, false);
  up_ = weights.add(kUp, {half, hidden}, true);
  down_ = weights.add(kDown, {hidden, half}, true);
}

int64_t ClexRope::factor_of(int64_t length) const {
  const int64_t t = (length + settings_.trained - 1) / settings_.trained;
  return std::clamp<int64_t>(t, 1, settings_.max_factor);
}

std::vector<double> ClexRope::first() const {
  if (stored_.defined()) return numbers_of(stored_);
  std::vector<double> frequencies;  // in f32, as the authors' layer makes them
  const auto d = static_cast<float>(settings_.ode.dim), theta = static_cast<float>(settings_.theta);
  for (int64_t m = 0; m < settings_.ode.dim / 2; ++m)
    frequencies.push_back(1 / std::pow(theta, static_cast<float>(2 * m) / d));
  return frequencies;
}

ClexWeights ClexRope::weights() const {
  check(up_.defined() && down_.defined(), "clex: its weights are asked for before the model has them");
  return clex_weights(up_, down_);
}

std::shared_ptr<const ClexRope::Solved> ClexRope::solved() const {
  const std::lock_guard lock(mutex_);
  const auto same = [](const Tensor& a, const Tensor& b) {
    return a.defined() == b.defined() && (!a.defined() || at::equal(a, b));
  };
  const at::NoGradGuard off;
  if (solved_ && same(up_, solved_->up) && same(down_, solved_->down) && same(stored_, solved_->stored)) return solved_;
  std::vector<double> times;
  for (int64_t t = 2; t <= settings_.max_factor; ++t) times.push_back(static_cast<double>(t));
  auto anew = std::make_shared<Solved>();
  anew->table = clex_frequencies(settings_.ode, weights(), first(), times, settings_.arithmetic);
  anew->up = up_.detach().clone(), anew->down = down_.detach().clone();
  if (stored_.defined()) anew->stored = stored_.detach().clone();
  return solved_ = anew;
}

std::vector<double> ClexRope::frequencies(int64_t length) const {
  const int64_t t = factor_of(length);
  return t == 1 ? first() : solved()->table[static_cast<size_t>(t - 2)];
}

Tensor ClexRope::differentiable_frequencies(double t) const {
  const Tensor start = at::tensor(first(), at::TensorOptions(at::kDouble));
  if (t > 1) return clex_frequencies(up_, down_, start, settings_.ode, t);
  return start + 0 * (up_.sum() + down_.sum()).to(at::kDouble);  // their gradient is 0 then, and not missing
}

std::vector<double> ClexRope::drawn_positions(int64_t length, int64_t t, const Step& step) const {
  const int64_t s = std::max<int64_t>(1, length / settings_.trained);
  std::vector<double> positions = {0};
  const auto stream = stream_of("clex positions") + static_cast<uint64_t>(step.number);
  for (int64_t i = 0; i + 2 < length; ++i) {
    const uint64_t drawn = permuted(static_cast<uint64_t>(i), static_cast<uint64_t>(length * t - 2), step.seed, stream);
    positions.push_back(static_cast<double>(drawn + 1) / static_cast<double>(s));
  }
  std::sort(positions.begin(), positions.end());
  if (length > 1) positions.push_back(static_cast<double>(length * t / s - 1));
  return positions;
}

std::optional<RopePolicy::Drawn> ClexRope::draw(const Sequences& seq, const Step& step) const {
  Rng rng(step.seed, stream_of("clex factor"), static_cast<uint64_t>(step.number));
  const auto t = static_cast<int64_t>(rng.below(static_cast<uint64_t>(settings_.max_factor))) + 1;
  std::vector<Tensor> positions;
  for (int64_t b = 0; b < seq.count(); ++b)
    positions.push_back(at::tensor(drawn_positions(seq.length(b), t, step), at::TensorOptions(at::kDouble)));
  return Drawn{at::cat(positions), differentiable_frequencies(static_cast<double>(t))};
}

LH_REGISTER(RopeTypes, "clex",
            "CLEX: frequencies by a trained ODE, for each multiple of the trained length: max_factor=, "
            "chunks=prompt|upstream, solver=f64|f32, clex_ode_base=10000",
            make);

}  // namespace longhaul
