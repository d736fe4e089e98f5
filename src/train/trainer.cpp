#include "train/trainer.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/mul.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/strings.h"
#include "nn/forward.h"
#include "train/cost.h"
#include "train/run_tokenizer.h"
#include "train/validation.h"

namespace longhaul {

namespace {

using Clock = std::chrono::steady_clock;

template <class... Values>
std::string format(const char* pattern, Values... values) {
  char text[256];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

Checkpoint fresh_checkpoint(const TrainSettings& settings) {
  Checkpoint checkpoint;
  checkpoint.model = make_model(settings);
  checkpoint.optimizer = std::make_unique<Optimizer>(checkpoint.model->parameters(), settings.optimizer());
  return checkpoint;
}

// Unreadable checkpoints are set aside, so that rotation counts good ones only.
Checkpoint newest_checkpoint(const RunFolder& folder, const TrainSettings& settings) {
  std::vector<int64_t> steps = folder.checkpoints();
  if (steps.empty()) return fresh_checkpoint(settings);  // the process died before its first
  std::vector<int64_t> unreadable;
  for (; !steps.empty(); steps.pop_back()) {
    try {
      Checkpoint checkpoint = read_checkpoint(folder.checkpoint_path(steps.back()), settings);
      for (int64_t step : unreadable) folder.set_aside(step);
      return checkpoint;
    } catch (const Error& error) {
      log_warning("the checkpoint of step ", steps.back(), " is unreadable (", error.what(),
                  "); falling back to the one before it");
      unreadable.push_back(steps.back());
    }
  }
  fail(folder.path(), ": none of its ", unreadable.size(), " checkpoints is readable");
}

}  // namespace

TrainSettings changed_settings(TrainSettings settings, const ResumeChanges& changes) {
  if (!changes.data.empty()) settings.data = changes.data;
  if (changes.tensorboard) settings.tensorboard = true;
  if (changes.steps == 0 || changes.steps == settings.steps) return settings;
  check(changes.steps > settings.steps, "--steps: the run has ", settings.steps,
        " steps and may be extended, not cut to ", changes.steps);
  settings.steps = changes.steps;
  settings.epochs = 0;
  return settings;
}

std::unique_ptr<Model> make_model(const TrainSettings& settings) {
  std::unique_ptr<Model> model;
  if (settings.init_from.empty()) {
    ModelOptions options;
    options.position = settings.pos;
    options.vocab = settings.vocab;
    options.trained_length = settings.seq_len;
    options.seed = settings.seed;
    options.dtype = parameter_dtype(settings.dtype);
    options.compute = compute_type(settings.dtype);
    model = create_model(settings.arch, options);
  } else {
    LoadOptions options;
    options.dtype = parameter_dtype(settings.dtype);
    options.compute = compute_type(settings.dtype);
    options.overrides = settings.hf_overrides;
    model = load_model(settings.init_from, options);
  }
  const ModelInfo& info = model->info();
  check(info.vocab >= settings.vocab, settings.init_from, ": has a vocabulary of ", info.vocab, ", the data needs ",
        settings.vocab);
  int64_t longest = settings.seq_len;
  for (int64_t length : settings.eval_lengths) longest = std::max(longest, length);
  check(info.traits.longest == 0 || longest <= info.traits.longest, "encoding '", info.position, "' ends at ",
        info.traits.longest, " tokens; --seq-len and --eval-lengths ask for ", longest);
  model->set_trained_length(settings.seq_len);
  return model;
}

std::unique_ptr<Trainer> Trainer::start(TrainSettings settings, const std::string& out, const RunContext& context) {
  Dataset dataset = Dataset::open(settings.data, settings.tokenizer);
  settings.resolve(dataset);
  Checkpoint checkpoint = fresh_checkpoint(settings);
  RunFolder folder = RunFolder::create(out);
  write_json(folder.settings_path(), settings.json());
  keep_tokenizer(settings.tokenizer, out);
  return std::unique_ptr<Trainer>(
      new Trainer(std::move(folder), std::move(settings), std::move(dataset), std::move(checkpoint), context));
}

std::unique_ptr<Trainer> Trainer::resume(const std::string& out, const ResumeChanges& changes,
                                         const RunContext& context) {
  RunFolder folder = RunFolder::open(out);
  TrainSettings stored = TrainSettings::from_json(read_json(folder.settings_path()), folder.settings_path());
  TrainSettings settings = changed_settings(stored, changes);
  Dataset dataset = Dataset::open(settings.data, settings.tokenizer);
  check(dataset.hash() == stored.data_hash, settings.data, ": not the data this run was started on (content ",
        dataset.hash(), ", wanted ", stored.data_hash, ")");
  settings.resolve(dataset);
  Checkpoint checkpoint = newest_checkpoint(folder, settings);
  if (settings.json() != stored.json()) write_json(folder.settings_path(), settings.json());
  return std::unique_ptr<Trainer>(
      new Trainer(std::move(folder), std::move(settings), std::move(dataset), std::move(checkpoint), context));
}

Trainer::Trainer(RunFolder folder, TrainSettings settings, Dataset dataset, Checkpoint checkpoint,
                 const RunContext& context)
    : context_(context),
      folder_(std::move(folder)),
      settings_(std::move(settings)),
      dataset_(std::move(dataset)),
      model_(std::move(checkpoint.model)),
      optimizer_(std::move(checkpoint.optimizer)),
      state_(std::move(checkpoint.state)),
      loader_(make_loader(dataset_.split("train"), settings_.loader())),
      log_(folder_.log_path(), state_.log_bytes) {
  if (!state_.loader.is_null()) loader_->restore(state_.loader);
  if (state_.threads != 0 && state_.threads != context_.threads)
    log_warning("saved with ", state_.threads, " threads, going on with ", context_.threads,
                ": results agree to rounding, not bit for bit");
  outcome_.step = state_.step;
  if (folder_.checkpoints().empty()) save();
  folder_.publish(folder_.checkpoints().back());
}

TrainOutcome Trainer::run(const StopFn& stop) {
  if (state_.step == settings_.steps) return outcome_;
  announce();
  while (state_.step < settings_.steps) {
    train_step();
    bool last = state_.step == settings_.steps;
    if (settings_.val_every > 0 && (last || state_.step % settings_.val_every == 0)) validate();
    outcome_.stopped_by = last ? "" : stop(state_.step);
    bool stopping = !outcome_.stopped_by.empty();
    if (last || stopping || state_.step % settings_.save_every == 0) save();
    if (stopping) break;
  }
  return outcome_;
}

void Trainer::announce() {
  gemm_rate_ = measure_gemm_rate(parameter_dtype(settings_.dtype));
  if (settings_.tensorboard) events_.emplace(folder_.path(), state_.step + 1);
  int64_t parameters = model_->parameters().count();
  std::string line = str(model_->info().label, ", ", model_->info().position, ": ", with_commas(parameters),
                         " parameters, ", with_commas(settings_.total_batch_tokens), " tokens a step, ",
                         context_.threads, " threads, GEMM ", format("%.1f", gemm_rate_ * 1e-9), " GFLOP/s");
  if (state_.step > 0) line += str("; going on after step ", state_.step);
  record({{"kind", "start"},
          {"time", utc_now()},
          {"command", context_.command},
          {"machine", machine_json()},
          {"build", build_json()},
          {"threads", context_.threads},
          {"data_hash", settings_.data_hash},
          {"parameters", parameters},
          {"from_step", state_.step},
          {"gemm_gflop_per_s", gemm_rate_ * 1e-9}},
         line);
}

void Trainer::train_step() {
  Clock::time_point start = Clock::now();
  outcome_.loss = accumulate_gradients();
  Update update = optimizer_->step(gradients_of(optimizer_->trainable()), state_.step, settings_.schedule());
  if (!std::isfinite(update.norm)) stop_not_finite("gradient norm", update.norm);
  drop_gradients(optimizer_->trainable());
  outcome_.step = ++state_.step;
  state_.tokens += settings_.total_batch_tokens;
  log_step(update, std::chrono::duration<double>(Clock::now() - start).count());
}

// Leaves the gradient of the step's mean loss per token in the parameters and returns that loss.
double Trainer::accumulate_gradients() {
  double total = static_cast<double>(settings_.total_batch_tokens), sum = 0;
  int64_t passes = settings_.accumulation();
  ForwardOptions options;
  options.recompute = settings_.recompute;
  options.loss_factor = 1 / total;
  for (int64_t i = 0; i < passes; ++i) {
    Batch batch = loader_->next();
    where_ = batch.where;
    options.step = {true, settings_.seed, state_.step * passes + i};
    at::TensorOptions ids(at::kLong);
    Tensor tokens = at::from_blob(batch.inputs.data(), {batch.sequences * batch.length}, ids);
    Tensor targets = at::from_blob(batch.targets.data(), {batch.sequences * batch.length}, ids);
    Tensor loss = loss_sum(*model_, tokens, targets, Sequences::whole(batch.pieces), options);
    double value = loss.item<double>();
    if (!std::isfinite(value)) stop_not_finite("loss", value);
    sum += value;
    loss.backward();
  }
  if (passes > 1) where_ = str("the ", passes, " batches that end with ", where_);
  return sum;
}

void Trainer::stop_not_finite(const char* what, double value) const {
  fail("step ", state_.step + 1, ": the ", what, " is ", value, " on ", where_,
       "; nothing was saved, the checkpoint of step ", folder_.checkpoints().back(), " in ", folder_.path(),
       " is whole");
}

void Trainer::log_step(const Update& update, double seconds) {
  double rate = static_cast<double>(settings_.total_batch_tokens) / seconds;
  std::string line;
  if (state_.step % settings_.log_every == 0 || state_.step == settings_.steps) {
    int width = static_cast<int>(std::to_string(settings_.steps).size());
    line = format("step %*lld/%lld | loss %.6f | norm %.4f | lr %.2e | %.1f ms | ", width,
                  static_cast<long long>(state_.step), static_cast<long long>(settings_.steps), outcome_.loss,
                  update.norm, update.lr, seconds * 1e3) +
           with_commas(std::llround(rate)) + " tok/s | " +
           format("%.1f%% of GEMM rate", 100 * step_flops(model_->info(), settings_) / seconds / gemm_rate_);
  }
  record({{"kind", "step"},
          {"step", state_.step},
          {"loss", outcome_.loss},
          {"norm", update.norm},
          {"lr", update.lr},
          {"ms", seconds * 1e3},
          {"tok_per_s", rate},
          {"tokens", state_.tokens}},
         line);
}

void Trainer::validate() {
  const TokenSplit& split = dataset_.split("val");
  double loss =
      mean_loss(*model_, split, settings_.seq_len, settings_.val_tokens, settings_.windows(settings_.seq_len));
  outcome_.val_loss = loss;
  record(
      {{"kind", "val"},
       {"step", state_.step},
       {"val_loss", loss},
       {"val_perplexity", std::exp(loss)},
       {"tokens", settings_.val_tokens}},
      format("val  %lld | loss %.6f | perplexity %.4f on ", static_cast<long long>(state_.step), loss, std::exp(loss)) +
          with_commas(settings_.val_tokens) + " tokens");
  if (!settings_.eval_lengths.empty()) evaluate_lengths(loss);
  report_layers();
}

void Trainer::evaluate_lengths(double known_loss) {
  const TokenSplit& split = dataset_.split("val");
  std::vector<double> losses, perplexities;
  std::string line = format("val  %lld | perplexity by length:", static_cast<long long>(state_.step));
  for (int64_t length : settings_.eval_lengths) {
    double loss = length == settings_.seq_len
                      ? known_loss
                      : mean_loss(*model_, split, length, settings_.val_tokens, settings_.windows(length));
    losses.push_back(loss);
    perplexities.push_back(std::exp(loss));
    line += " " + format_length(length) + format(" %.4f", perplexities.back());
  }
  record({{"kind", "lengths"},
          {"step", state_.step},
          {"tokens", settings_.val_tokens},
          {"lengths", settings_.eval_lengths},
          {"losses", losses},
          {"perplexities", perplexities}},
         line);
}

// On the first validation window: one figure per layer and head, so that a head that has died can be seen.
void Trainer::report_layers() {
  std::vector<LayerReport> reports = layer_reports(*model_, dataset_.split("val"), settings_.seq_len);
  for (size_t layer = 0; layer < reports.size(); ++layer) {
    const LayerReport& report = reports[layer];
    if (report.readings.empty()) continue;
    std::vector<double> skip_rate;
    for (size_t head = 0; head < report.attention.tiles.size(); ++head)
      skip_rate.push_back(static_cast<double>(report.attention.skipped[head]) /
                          static_cast<double>(report.attention.tiles[head]));
    Json object = {{"kind", "attention"}, {"step", state_.step}, {"layer", layer}, {"skip_rate", skip_rate}};
    for (const Reading& reading : report.readings) object[reading.name] = reading.per_head;
    record(object, "");
  }
}

void Trainer::save() {
  log_.sync();
  state_.log_bytes = log_.bytes();
  state_.loader = loader_->state();
  state_.threads = context_.threads;
  state_.build = build_json();
  folder_.save(state_.step, settings_.keep,
               [&](const std::string& path) { write_checkpoint(path, *model_, *optimizer_, settings_, state_); });
}

void Trainer::record(const Json& object, const std::string& line) {
  log_.append(object);
  if (events_) add_scalars(*events_, object);
  if (context_.quiet) return;
  if (context_.json)
    std::printf("%s\n", object.dump().c_str());
  else if (!line.empty())
    std::fprintf(stderr, "%s\n", line.c_str());
  if (context_.json) std::fflush(stdout);
}

}  // namespace longhaul
