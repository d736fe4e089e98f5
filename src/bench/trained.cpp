// Attention on the queries and keys of a trained model reading real text: as its encoding has it, biases and their gradients
// included (tile skipping off and on), and bare. How much is skipped depends on what the model has learned.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include "base/strings.h"
#include "bench/bench.h"
#include "data/shards.h"
#include "models/models.h"
#include "nn/forward.h"

namespace longhaul {

namespace {

struct Settings {
  std::vector<std::string> models;
  std::string data;
  std::vector<int64_t> lengths{16384};
  std::vector<double> skip_eps{0, 1e-7};
};

std::vector<Json> cells(const Settings& settings) {
  std::vector<Json> all;
  for (const std::string& model : settings.models) {
    for (int64_t length : settings.lengths) {
      Json cell{{"peer", "longhaul"}, {"case", str(model, " T=", length)}, {"model", model}, {"data", settings.data}};
      cell["shape"] = {{"model", model}, {"T", length}, {"pass", "both"}, {"bias", "none"}, {"skip_eps", 0.0}};
      all.push_back(cell);
      all.back()["baseline"] = "no bias";
      for (double eps : settings.skip_eps) {
        cell["shape"]["bias"] = "own";
        cell["shape"]["skip_eps"] = eps;
        all.push_back(cell);
      }
    }
  }
  return all;
}

Tensor read_tokens(const std::string& folder, int64_t length) {
  Dataset dataset = Dataset::open(folder);
  const TokenSplit& split = dataset.split("val");
  check(split.tokens() >= length, folder, ": wanted ", length, " validation tokens, found ", split.tokens());
  Tensor tokens = at::empty({length}, at::kLong);
  split.read(0, std::span<int64_t>(tokens.data_ptr<int64_t>(), static_cast<size_t>(length)));
  return tokens;
}

// What each layer's attention gets when the model reads these tokens (nn/attention_block.cpp).
class LayerInputs {
 public:
  LayerInputs(const Model& model, const Tensor& tokens, const AttentionOptions& options)
      : model_(model), sequence_(Sequences::whole({tokens.size(0)})), spans_(AttentionSpans::self(sequence_.offsets)) {
    at::NoGradGuard no_grad;
    check(model.info().family == "gpt", "bench trained-attention: wanted a model of the gpt family, found ",
          model.info().family);
    std::vector<Tensor> hidden;
    ForwardOptions forward_options;
    forward_options.hidden = &hidden;
    forward(model, tokens, sequence_, forward_options);
    plan_ = model.encoding().prepare(sequence_, forward_options.step);
    for (int64_t i = 0; i < model.info().layers; ++i) {
      calls_.push_back(call_of(i, hidden[static_cast<size_t>(i)]));
      calls_.back().options = options;
    }
  }
  LayerInputs(const LayerInputs&) = delete;
  LayerInputs& operator=(const LayerInputs&) = delete;

  // Forward and backward of every layer's attention: as its encoding has it, with the gradients of its parameters, or bare.
  void run(bool with_encoding) {
    for (const Parameter& parameter : model_.parameters().all()) parameter.tensor.mutable_grad() = Tensor();
    for (int64_t i = 0; i < model_.info().layers; ++i) {
      AttentionCall& call = calls_[static_cast<size_t>(i)];
      for (Tensor* x : {&call.q, &call.k, &call.v, &call.x}) x->mutable_grad() = Tensor();
      Tensor out = with_encoding ? model_.encoding().attend(i, call)
                                 : attention(call.q, call.k, call.v, spans_, std::monostate{}, call.options);
      out.backward(out.detach());
    }
  }

 private:
  AttentionCall call_of(int64_t layer, const Tensor& hidden) const {
    const ModelInfo& info = model_.info();
    auto weight = [&](const char* name) { return model_.parameters().at(str("transformer.h.", layer, ".", name)); };
    AttentionCall call;
    call.plan = &plan_;
    call.spans = &spans_;
    call.key_positions = [this] { return plan_.seq.positions; };
    call.x = normalize(hidden, {NormKind::layer, weight("ln_1.weight"), weight("ln_1.bias"), 1e-5});
    Tensor qkv = linear(call.x, {weight("attn.c_attn.weight"), weight("attn.c_attn.bias")});
    if (plan_.rotation.cos.defined()) qkv = rotate_heads_(qkv, 2 * info.heads, info.head_dim, plan_.rotation);
    Tensor heads = qkv.view({qkv.size(0), 3 * info.heads, info.head_dim});
    auto leaf = [](const Tensor& x) { return x.detach().clone().requires_grad_(true); };
    call.q = leaf(heads.narrow(1, 0, info.heads));
    call.k = leaf(heads.narrow(1, info.heads, info.heads));
    call.v = leaf(heads.narrow(1, 2 * info.heads, info.heads));
    call.x = leaf(call.x);
    return call;
  }

  const Model& model_;
  Sequences sequence_;
  AttentionSpans spans_;
  Plan plan_;
  std::vector<AttentionCall> calls_;  // one a layer
};

Json measure_trained(const Json& cell) {
  const Json& shape = cell["shape"];
  int64_t length = shape["T"].get<int64_t>();
  auto model = load_model(cell["model"].get<std::string>());
  const ModelInfo& info = model->info();
  AttentionStats stats;
  AttentionOptions options;
  options.scale = model->encoding().qk_scale(info.head_dim);
  options.skip_eps = shape["skip_eps"].get<double>();
  options.stats = &stats;
  LayerInputs inputs(*model, read_tokens(cell["data"].get<std::string>(), length), options);
  Measurement measured = measure_cell([&] { inputs.run(shape["bias"] == "own"); }, cell);
  measured.tokens = length;
  double pairs = 0.5 * static_cast<double>(length) * static_cast<double>(length + 1);
  measured.flops = 14.0 * static_cast<double>(info.layers * info.heads * info.head_dim) * pairs;
  Json row = measured.json(cell["threads"].get<int64_t>());
  row["skip_rate"] = stats.skip_rate();
  row["pos"] = info.position;
  return row;
}

BenchCells setup(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  app.add_option("--model", settings->models, "run directories of gpt models")->delimiter(',')->required();
  app.add_option("--data", settings->data, "packed data set whose validation text they read")->required();
  add_lengths_option(app, "--lengths", settings->lengths, "tokens read (default: 16k)");
  app.add_option("--skip-eps", settings->skip_eps,
                 "weight a skipped tile may have held (default: 0,1e-7; 0: nothing is skipped)")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1.0));
  return [settings] { return cells(*settings); };
}

}  // namespace

LH_REGISTER(Benches, "trained-attention",
            "attention of a trained model's layers on real text, with and without its bias",
            {"gemm", setup, measure_trained, "", {"--dtype", "--seed"}});

}  // namespace longhaul
