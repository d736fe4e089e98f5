// One training step as `longhaul train` does it: forward, backward, clip, AdamW. The rivals' side is bench/peers/train.py.
#include <ATen/ops/randint.h>

#include <optional>

#include "base/machine.h"
#include "base/spec.h"
#include "bench/train.h"
#include "models/models.h"
#include "nn/forward.h"
#include "train/optimizer.h"

namespace longhaul {

namespace {

struct Settings {
  std::vector<std::string> sizes{"mini"}, positions{"rope", "cable"};
  std::vector<int64_t> lengths{512, 2048};
  int64_t batch = 1;
  double skip_eps = 1e-7;
  bool recompute = false;
};

std::vector<Json> cells(const Settings& settings) {
  std::vector<Json> all;
  for (const std::string& size : settings.sizes) {
    for (int64_t length : settings.lengths) {
      for (const std::string& position : settings.positions) {
        all.push_back({{"peer", "longhaul"},
                       {"shape", size},
                       {"pos", position},
                       {"length", length},
                       {"batch", settings.batch},
                       {"skip_eps", settings.skip_eps},
                       {"recompute", settings.recompute}});
      }
    }
  }
  return all;
}

// Matrices and head three times (forward, two products backward), attention on half the square. As in bench/peers/train.py.
double step_flops(const ModelInfo& info, int64_t length) {
  double matrices = static_cast<double>(info.layers * 12 * info.width * info.width + info.width * info.vocab);
  double pairs = 0.5 * static_cast<double>(length) * static_cast<double>(length + 1);
  return 6 * matrices * static_cast<double>(length) + 12 * static_cast<double>(info.layers * info.width) * pairs;
}

// A model, its optimizer and one batch.
class Training {
 public:
  Training(const std::string& arch, int64_t vocab, int64_t length, int64_t batch, const Json& cell) {
    ModelOptions options;
    options.position = cell["pos"].get<std::string>();
    options.vocab = vocab;
    options.trained_length = length;
    options.seed = cell["seed"].get<uint64_t>();
    options.dtype = parameter_dtype(cell["dtype"]);
    options.compute = compute_type(cell["dtype"]);
    model_ = create_model(arch, options);
    optimizer_.emplace(model_->parameters(), OptimizerOptions{});
    sequences_ = Sequences::equal(batch, length);
    tokens_ = at::randint(vocab, {batch * length}, at::kLong);
    targets_ = at::randint(vocab, {batch * length}, at::kLong);
    forward_.step.training = true;
    forward_.loss_factor = 1.0 / static_cast<double>(sequences_.tokens());
    forward_.recompute = cell["recompute"].get<bool>();
    forward_.skip_eps = cell["skip_eps"].get<double>();
  }

  void step() {
    drop_gradients(optimizer_->trainable());
    loss_sum(*model_, tokens_, targets_, sequences_, forward_).backward();
    optimizer_->step(gradients_of(optimizer_->trainable()), steps_++, Schedule{});
  }

  const Model& model() const { return *model_; }

 private:
  std::unique_ptr<Model> model_;
  std::optional<Optimizer> optimizer_;
  Sequences sequences_;
  Tensor tokens_, targets_;
  ForwardOptions forward_;
  int64_t steps_ = 0;
};

}  // namespace

void add_sizes_option(CLI::App& app, std::vector<std::string>& sizes) {
  app.add_option("--size", sizes,
                 "sizes of the gpt family: mini (6 layers of 384, 6 heads), tiny, small, ... (default: mini)")
      ->delimiter(',')
      ->check(CLI::IsMember({"mini", "tiny", "small", "medium", "large"}));
}

void add_positions_option(CLI::App& app, std::vector<std::string>& positions, const std::string& help) {
  app.add_option_function<std::string>(
         "--pos", [&positions](const std::string& text) { positions = split_specs(text); }, help)
      ->type_name("SPEC,SPEC,...");
}

void add_batch_option(CLI::App& app, int64_t& batch, const std::string& meaning) {
  app.add_option("--batch", batch, meaning)->capture_default_str()->check(CLI::Range(1, 1 << 20));
}

void add_skip_option(CLI::App& app, double& skip_eps) {
  app.add_option("--skip-eps", skip_eps, "weight a skipped attention tile may have held; 0: nothing is skipped")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
}

Json measure_training_step(const Json& cell) {
  int64_t length = cell["length"].get<int64_t>(), batch = cell["batch"].get<int64_t>();
  // A step of a tiny model first: code that is loaded at its first use is not memory of the step.
  Training("gpt:layers=1,width=64,heads=1", 64, 16, 1, cell).step();
  PeakWatch watch;
  Training training("gpt:size=" + cell["shape"].get<std::string>(), kBenchVocab, length, batch, cell);
  Measurement measured = measure_cell([&] { training.step(); }, cell);
  measured.tokens = batch * length;
  measured.flops = static_cast<double>(batch) * step_flops(training.model().info(), length);
  // Weights, gradients and two moments are there in any trainer.
  int64_t count = training.model().parameters().count(), element = cell["dtype"] == "f64" ? 8 : 4;
  int64_t above = watch.above_start();
  measured.extra_bytes = above < 0 ? above : std::max<int64_t>(0, above - 4 * element * count);
  Json row = measured.json(cell["threads"].get<int64_t>());
  row["parameters"] = count;
  return row;
}

namespace {

BenchCells setup(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  add_sizes_option(app, settings->sizes);
  add_positions_option(app, settings->positions, "positional encodings (default: rope,cable)");
  add_lengths_option(app, "--lengths", settings->lengths, "tokens of a sequence (default: 512,2k)");
  add_batch_option(app, settings->batch);
  add_skip_option(app, settings->skip_eps);
  app.add_flag("--recompute", settings->recompute, "keep only each layer's input and run it again in backward");
  return [settings] { return cells(*settings); };
}

}  // namespace

LH_REGISTER(Benches, "train", "a training step: forward, backward, AdamW", {"gemm", setup, measure_training_step});

}  // namespace longhaul
