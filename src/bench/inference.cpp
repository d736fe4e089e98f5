// `longhaul bench prefill` and `bench decode`: a checkpoint that is opened and run as `generate` does it. bench/peers/prefill.py and
// decode.py measure the same with other engines on the same weights.
#include <ATen/ops/argmax.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "base/files.h"
#include "base/strings.h"
#include "bench/bench.h"
#include "bench/turns.h"
#include "engine/engine.h"
#include "models/models.h"
#include "ops/linear/packed_weight.h"

namespace longhaul {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Settings {
  std::string model, cache;
  std::vector<std::string> weights{"f32"};
  std::vector<int64_t> lengths{512};
  int64_t chunk = 512, count = 128;
};

// How fast memory is read while the model generates: a series of as many calls, in the same turns.
Json read_cell(const std::string& name, int64_t count) {
  return {{"bench", "memory"},           {"bound_of", "decode"}, {"peer", "aten"},
          {"shape", {{"kind", "read"}}}, {"case", name},         {"count", count}};
}

// llama-bench's names: pp512 reads a prompt of 512 tokens, tg128 generates 128.
std::vector<Json> cells(const Settings& settings, bool decodes) {
  std::vector<Json> all;
  const std::string name = file_name(settings.model);
  for (int64_t length : settings.lengths) {
    const std::string test = decodes ? str("tg", settings.count, "@", length) : str("pp", length);
    const std::string together = str(name, " ", test);
    if (decodes) all.push_back(read_cell(together, settings.count));
    for (const std::string& weights : settings.weights) {
      all.push_back({{"peer", "longhaul"},
                     {"case", together},
                     {"model", settings.model},
                     {"shape", {{"model", name}, {"weights", weights}, {"test", test}}},
                     {"length", length},
                     {"chunk", settings.chunk},
                     {"cache", settings.cache}});
      if (!settings.cache.empty()) all.back()["shape"]["cache"] = settings.cache;
      if (decodes) all.back()["count"] = settings.count;
      if (weights == "f32" && settings.weights.size() > 1) all.back()["baseline"] = "f32";
    }
  }
  return all;
}

// A model in the memory that it takes, with room for so many tokens.
class Opened {
 public:
  Opened(const Json& cell, int64_t tokens) {
    warm_up();
    watch_.emplace();
    const Clock::time_point start = Clock::now();
    const LoadOptions options =
        inference_options(cell["dtype"].get<std::string>(), cell["shape"]["weights"].get<std::string>());
    model_ = load_model(cell["model"].get<std::string>(), options);
    open_seconds_ = seconds_since(start);
    engine_ = std::make_unique<Engine>(*model_, EngineOptions{.tokens = tokens,
                                                              .chunk = cell["chunk"].get<int64_t>(),
                                                              .cache = cache_type(cell["cache"].get<std::string>(),
                                                                                  cell["dtype"].get<std::string>())});
  }

  Engine& engine() { return *engine_; }
  const Model& model() const { return *model_; }
  std::vector<int64_t> prompt(int64_t length) const {  // any ids do
    std::vector<int64_t> tokens(static_cast<size_t>(length));
    std::iota(tokens.begin(), tokens.end(), 0);
    for (int64_t& token : tokens) token = token * 7919 % model_->info().vocab;
    return tokens;
  }

  // The row of what was measured, and the memory that it took.
  Json row(Measurement measured, const Json& cell) const {
    measured.extra_bytes = watch_->above_start();
    Json row = measured.json(cell["threads"].get<int64_t>());
    const double needed = static_cast<double>(model_->weight_bytes() + engine_->bytes());
    row["parameters"] = model_->parameters().count();
    row["open_seconds"] = open_seconds_;
    row["weights_mb"] = static_cast<double>(model_->weight_bytes()) * 1e-6;
    row["cache_mb"] = static_cast<double>(engine_->bytes()) * 1e-6;
    if (measured.extra_bytes >= 0) row["memory_ratio"] = static_cast<double>(measured.extra_bytes) / needed;
    return row;
  }

 private:
  // Code that is loaded at its first use is no memory of the model.
  static void warm_up() {
    ModelOptions options;
    options.vocab = 64;
    const auto model = create_model("gpt:layers=1,width=64,heads=1", options);
    Engine engine(*model, {.tokens = 64});
    Session session = engine.session();
    session.prefill(std::vector<int64_t>(48, 1));
    session.decode(1);
  }

  std::optional<PeakWatch> watch_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Engine> engine_;
  double open_seconds_ = 0;
};

Json measure_prefill(const Json& cell) {
  const auto length = cell["length"].get<int64_t>();
  Opened opened(cell, length + kPageRows);
  const std::vector<int64_t> tokens = opened.prompt(length);
  std::optional<Session> session;
  Measurement measured = measure_cell(
      [&] {
        session.emplace(opened.engine().session());
        session->prefill(tokens);
      },
      cell);
  measured.tokens = length;
  measured.flops = opened.model().info().forward_flops(length, 1);
  const int64_t used = opened.engine().bytes_in_use();
  const Clock::time_point start = Clock::now();
  const Session fork = session->fork();
  const double fork_seconds = seconds_since(start);
  check(opened.engine().bytes_in_use() == used, "bench prefill: a fork has taken pages");
  Json row = opened.row(measured, cell);
  row["fork_ms"] = 1e3 * fork_seconds;
  return row;
}

// What a token reads of the weights: not an embedding beside a head, and of each stack the experts that it chooses.
double weight_bytes_of_token(const Model& model) {
  const ModelInfo& info = model.info();
  const Tensor head = model.head().logits.weight;
  double bytes = 0;
  for (const Model::Matrix& matrix : model.matrices()) {
    if (matrix.weight.size(0) == info.vocab && !matrix.weight.is_same(head)) continue;
    const double chosen = static_cast<double>(info.mlp_matrices) / 3;
    const double share = matrix.weight.dim() == 3 ? chosen / static_cast<double>(matrix.weight.size(0)) : 1;
    bytes += share * static_cast<double>(packed_bytes(matrix.weight));
  }
  return bytes;
}

// Greedy tokens behind a prompt.
Json measure_decode(const Json& cell) {
  const auto length = cell["length"].get<int64_t>(), count = cell["count"].get<int64_t>();
  Opened opened(cell, length + count + kPageRows);
  Session session = opened.engine().session();
  Tensor logits = session.prefill(opened.prompt(length));
  Measurement measured = measure_series([&] { logits = session.decode(logits.argmax().item<int64_t>()); }, count);
  measured.tokens = count;
  const auto times = static_cast<double>(count);
  const double middle = static_cast<double>(length) + times / 2;
  measured.bytes =
      times * (weight_bytes_of_token(opened.model()) +
               middle * static_cast<double>(opened.engine().bytes() / opened.engine().pool().pages() / kPageRows));
  return opened.row(measured, cell);
}

void add_model_options(CLI::App& app, Settings& settings) {
  app.add_option("model", settings.model, "model directory, or the id of a cached hub model")->required();
  app.add_option("--weight-dtype", settings.weights, "what the matrices are kept in: some of f32, bf16, int8")
      ->delimiter(',')
      ->check(CLI::IsMember({"f32", "bf16", "int8"}));
  app.add_option("--kv-cache-dtype", settings.cache,
                 "what keys and values are kept in (default: f32, or f64 with --dtype f64)")
      ->check(CLI::IsMember({"f32", "bf16", "int8"}));
}

BenchCells setup_prefill(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  add_model_options(app, *settings);
  add_lengths_option(app, "--lengths", settings->lengths, "tokens of the prompts (default: 512)");
  app.add_option("--prefill-chunk", settings->chunk, "prompt tokens that pass through the layers together")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  return [settings] { return cells(*settings, false); };
}

BenchCells setup_decode(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  add_model_options(app, *settings);
  add_lengths_option(app, "--prompts", settings->lengths, "tokens before the first that is timed (default: 512)");
  app.add_option("--new", settings->count, "tokens that are timed")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  return [settings] { return cells(*settings, true); };
}

}  // namespace

LH_REGISTER(Benches, "prefill", "a checkpoint reads a prompt",
            {"gemm", setup_prefill, measure_prefill, "", {"--seed"}});
LH_REGISTER(Benches, "decode", "a checkpoint generates, one token after the other",
            {"memory", setup_decode, measure_decode, "read", {"--seed", "--repeats", "--budget"}});

}  // namespace longhaul
