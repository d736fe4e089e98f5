// The published speed and memory table (specification of Cable, section 6) for every encoding: training tokens/s and memory beside
// `nope` of the same length, and texts sampled with a cache beside the published way, which reads the whole text for every token.
#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "bench/train.h"
#include "engine/generate.h"
#include "models/models.h"

namespace longhaul {

namespace {

// As published: four texts, eight tokens of prompt, top-k 50.
constexpr int64_t kTexts = 4, kPrompt = 8, kTopK = 50;
constexpr double kSkipEps = 1e-7;

struct Settings {
  std::vector<std::string> sizes{"mini"}, positions = Encodings().names(), parts{"train", "generate"};
  std::vector<int64_t> lengths{1024}, texts{512};
  int64_t batch = 1;
  double skip_eps = kSkipEps;

  bool wants(const std::string& part) const { return std::find(parts.begin(), parts.end(), part) != parts.end(); }
};

Json cell(const std::string& pass, const std::string& size, const std::string& position, int64_t length,
          int64_t batch) {
  return {{"peer", "longhaul"}, {"pass", pass},     {"shape", size},
          {"pos", position},    {"length", length}, {"batch", batch}};
}

// `nope` first: the others are held against it.
void add_training(std::vector<Json>& all, const Settings& settings, const std::string& size, int64_t length) {
  std::vector<std::string> positions = settings.positions;
  std::erase(positions, "nope");
  positions.insert(positions.begin(), "nope");
  for (const std::string& position : positions) {
    Json one = cell("train", size, position, length, settings.batch);
    one["case"] = str("train ", size, " T=", length);
    one["skip_eps"] = settings.skip_eps;
    one["recompute"] = false;
    if (position == "nope") one["baseline"] = "nope";
    all.push_back(one);
  }
}

std::unique_ptr<Model> make_model(const std::string& arch, int64_t vocab, const Json& cell) {
  ModelOptions options;
  options.position = cell["pos"].get<std::string>();
  options.vocab = vocab;
  options.trained_length = cell["length"].get<int64_t>();
  options.seed = cell.value("seed", uint64_t{0});
  if (cell.contains("dtype"))
    options.dtype = parameter_dtype(cell["dtype"]), options.compute = compute_type(cell["dtype"]);
  return create_model(arch, options);
}

// Encodings whose past cannot be kept have no row with a cache.
void add_generation(std::vector<Json>& all, const Settings& settings, const std::string& size, int64_t length) {
  for (const std::string& position : settings.positions) {
    Json one = cell("recompute", size, position, length, kTexts);
    one["case"] = str("generate ", size, " ", position, " T=", length);
    one["skip_eps"] = settings.skip_eps;
    Json cached = one;
    one["baseline"] = "recompute";
    all.push_back(one);
    cached["pass"] = "generate";
    if (make_model("gpt:layers=1,width=64,heads=2", 64, one)->info().traits.grows()) all.push_back(cached);
  }
}

std::vector<Json> cells(const Settings& settings) {
  std::vector<Json> all;
  for (const std::string& size : settings.sizes) {
    for (int64_t length : settings.lengths)
      if (settings.wants("train")) add_training(all, settings, size, length);
    for (int64_t length : settings.texts)
      if (settings.wants("generate")) add_generation(all, settings, size, length);
  }
  return all;
}

Json measure_generation(const Json& cell) {
  auto model = make_model("gpt:size=" + cell["shape"].get<std::string>(), kBenchVocab, cell);
  const int64_t length = cell["length"].get<int64_t>(), count = cell["batch"].get<int64_t>();
  GenerateOptions options;
  options.sampler.top_k = kTopK;
  options.seed = cell["seed"].get<uint64_t>();
  options.samples = count;
  options.max_tokens = length - kPrompt;
  std::vector<int64_t> prompt;
  for (int64_t i = 0; i < kPrompt; ++i) prompt.push_back(1000 * i + 1);  // any words
  std::optional<Engine> engine;
  std::unique_ptr<LogitSource> source;
  if (cell["pass"] == "generate") {
    EngineOptions room;
    room.tokens = CachedLogits::room(*model, kPrompt, options.max_tokens, count);
    room.skip_eps = cell["skip_eps"].get<double>();
    engine.emplace(*model, room);
    source = std::make_unique<CachedLogits>(*engine);
  } else {
    source = std::make_unique<RecomputedLogits>(*model, 0, cell["skip_eps"].get<double>());
  }
  Measurement measured =
      measure_cell([&] { generate_tokens(*source, prompt, options, [](int64_t, int64_t) { return true; }); }, cell);
  measured.tokens = count * options.max_tokens;
  return measured.json(cell["threads"].get<int64_t>());
}

Json measure_encoding(const Json& cell) {
  return cell["pass"] == "train" ? measure_training_step(cell) : measure_generation(cell);
}

BenchCells setup(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  add_sizes_option(app, settings->sizes);
  add_positions_option(app, settings->positions,
                       "positional encodings (default: every one); nope is always measured, the others' training is "
                       "held against it");
  app.add_option("--part", settings->parts, "train, generate (default: both)")
      ->delimiter(',')
      ->check(CLI::IsMember({"train", "generate"}));
  add_lengths_option(app, "--lengths", settings->lengths, "tokens of a sequence in training (default: 1k)");
  add_lengths_option(app, "--generate", settings->texts,
                     "tokens of a generated text, 8 of a prompt among them; 4 texts, top-k 50 (default: 512)");
  add_batch_option(app, settings->batch, "sequences of a training step");
  add_skip_option(app, settings->skip_eps);
  return [settings] {
    for (int64_t length : settings->texts)
      check(length > kPrompt, "bench encodings: --generate: wanted more than the prompt's ", kPrompt, " tokens, got ",
            length);
    return cells(*settings);
  };
}

}  // namespace

LH_REGISTER(Benches, "encodings",
            "every positional encoding: training beside nope, generation with a cache beside recomputation",
            {"gemm", setup, measure_encoding});

}  // namespace longhaul
