// Attention on the queries, keys and biases of a trained model reading real text: with its bias (tile skipping off and on),
// and without it. How much is skipped depends on what the model has learned.
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

struct LayerInput {
  Tensor q, k, v;
  Bias bias;
};

// What each layer's attention gets when the model reads these tokens (nn/attention_block.cpp).
std::vector<LayerInput> layer_inputs(const Model& model, const Tensor& tokens) {
  at::NoGradGuard no_grad;
  check(model.info().family == "gpt", "bench trained-attention: wanted a model of the gpt family, found ",
        model.info().family);
  std::vector<Tensor> hidden;
  ForwardOptions options;
  options.hidden = &hidden;
  Sequences sequence = Sequences::whole({tokens.size(0)});
  forward(model, tokens, sequence, options);
  Plan plan = model.encoding().prepare(sequence, options.step);
  AttentionSpans spans = AttentionSpans::self(sequence.offsets);
  const ModelInfo& info = model.info();
  std::vector<LayerInput> inputs;
  for (int64_t i = 0; i < info.layers; ++i) {
    auto weight = [&](const char* name) { return model.parameters().at(str("transformer.h.", i, ".", name)); };
    AttentionCall call;
    call.plan = &plan;
    call.spans = &spans;
    call.key_positions = plan.seq.positions;
    call.x = normalize(hidden[i], {NormKind::layer, weight("ln_1.weight"), weight("ln_1.bias"), 1e-5});
    Tensor qkv = linear(call.x, {weight("attn.c_attn.weight"), weight("attn.c_attn.bias")});
    if (plan.rotation.cos.defined()) qkv = rotate_heads_(qkv, 2 * info.heads, info.head_dim, plan.rotation);
    Tensor heads = qkv.view({qkv.size(0), 3 * info.heads, info.head_dim});
    call.q = heads.narrow(1, 0, info.heads);
    call.k = heads.narrow(1, info.heads, info.heads);
    call.v = heads.narrow(1, 2 * info.heads, info.heads);
    inputs.push_back({call.q, call.k, call.v, model.encoding().bias(i, call)});
  }
  return inputs;
}

// Leaves of their own, so that backward has all of attention's work and nothing else's.
std::vector<Tensor> make_leaves(LayerInput& input, bool with_bias) {
  auto leaf = [](Tensor& x) { x = x.detach().clone().requires_grad_(true); };
  leaf(input.q);
  leaf(input.k);
  leaf(input.v);
  std::vector<Tensor> leaves{input.q, input.k, input.v};
  auto* separable = std::get_if<SeparableBias>(&input.bias);
  if (!with_bias) input.bias = std::monostate{};
  if (!with_bias || !separable) return leaves;
  for (Tensor* x : {&separable->g, &separable->s}) {
    if (!x->defined()) continue;
    leaf(*x);
    leaves.push_back(*x);
  }
  return leaves;
}

Json measure_trained(const Json& cell) {
  const Json& shape = cell["shape"];
  int64_t length = shape["T"].get<int64_t>();
  auto model = load_model(cell["model"].get<std::string>());
  std::vector<LayerInput> inputs = layer_inputs(*model, read_tokens(cell["data"].get<std::string>(), length));
  std::vector<Tensor> leaves;
  for (LayerInput& input : inputs)
    for (const Tensor& leaf : make_leaves(input, shape["bias"] == "own")) leaves.push_back(leaf);
  const ModelInfo& info = model->info();
  AttentionStats stats;
  AttentionOptions options;
  options.scale = model->encoding().qk_scale(info.head_dim);
  options.skip_eps = shape["skip_eps"].get<double>();
  options.stats = &stats;
  AttentionSpans spans = AttentionSpans::self({0, length});
  Measurement measured = measure(
      [&] {
        for (Tensor& leaf : leaves) leaf.mutable_grad() = Tensor();
        for (const LayerInput& input : inputs) {
          Tensor out = attention(input.q, input.k, input.v, spans, input.bias, options);
          out.backward(out.detach());
        }
      },
      cell["repeats"].get<int64_t>(), cell["budget"].get<double>());
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
            {"gemm", setup, measure_trained});

}  // namespace longhaul
