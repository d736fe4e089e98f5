// GPT-2 style decoder with any positional encoding (specs/cable.md 3.1; names of the Hugging Face GPT-2, weights [out, in]).
#include <cmath>

#include "methods/method.h"
#include "models/models.h"
#include "nn/attention_block.h"
#include "ops/embedding/embedding.h"

namespace longhaul {

namespace {

constexpr double kDeviation = 0.02;  // the init rule: N(0, 0.02), the two residual projections / sqrt(2 layers)
constexpr double kEps = 1e-5;

struct GptConfig {
  std::string label;
  int64_t layers = 0, heads = 0, width = 0, vocab = 0;
  int64_t block_size = 0;      // the length it was made for: what the encoding's defaults (a table's length) follow
  int64_t trained_length = 0;  // the length it was trained at last
  std::string position;
};

struct GptSize {
  const char* name;
  int64_t layers, heads, width;
};
constexpr GptSize kSizes[] = {{"mini", 6, 6, 384},
                              {"tiny", 6, 8, 512},
                              {"small", 12, 12, 768},
                              {"medium", 24, 16, 1024},
                              {"large", 36, 20, 1280}};

class Gpt : public Model {
 public:
  Gpt(const GptConfig& config, const ModelOptions& options)
      : Model(options.blank ? Parameters::blank(options.dtype, *options.blank)
                            : Parameters(options.seed, options.dtype)),
        config_(config),
        method_(options.method),
        compute_(options.compute) {
    check(config.layers > 0 && config.heads > 0 && config.width > 0, "gpt: layers, heads and width must be > 0, got ",
          config.layers, ", ", config.heads, ", ", config.width);
    check(config.width % config.heads == 0, "gpt: width must be a multiple of heads, got ", config.width, " and ",
          config.heads);
    check(config.vocab > 0 && config.block_size > 0, "gpt: vocabulary and block_size must be > 0, got ", config.vocab,
          " and ", config.block_size);
    embedding_ = parameters_.add("transformer.wte.weight", {config.vocab, config.width}, Init::normal(kDeviation));
    matrices_.push_back({embedding_});
    parameters_.tie("lm_head.weight", "transformer.wte.weight");
    for (int64_t i = 0; i < config.layers; ++i) layers_.push_back(make_layer(prefix(i)));
    final_norm_ = make_norm("transformer.ln_f");
    make_position();
    fill_info();
  }

  Stream embed(const Tensor& tokens, const Plan& plan) const override {
    Tensor x = embedding_rows(embedding_, tokens);
    if (encoding_->embedding_scale() != 1) x = x * encoding_->embedding_scale();
    Tensor added = encoding_->embed(plan);
    return {added.defined() ? x + added : x, plan.seq, {}};
  }

  void layer(int64_t i, Stream& stream, const Pass& pass) const override {
    const Layer& w = layers_[i];
    Tensor x = stream.x + attention_block(stream.x, w.attention, *encoding_, i, pass, compute_);
    stream.x =
        x + activation_linear(norm_linear(x, w.mlp_norm, w.up, compute_), Activation::gelu_tanh, w.down, compute_);
  }

  Head head() const override { return {final_norm_, {embedding_, {}, 1, 0}}; }
  const Encoding& encoding() const override { return *encoding_; }

  Json config() const override {
    Json json = {{"architectures", {"LonghaulGPT"}}, {"label", config_.label},          {"position", config_.position},
                 {"n_layer", config_.layers},        {"n_head", config_.heads},         {"n_embd", config_.width},
                 {"vocab_size", config_.vocab},      {"block_size", config_.block_size}};
    if (info_.trained_length != config_.block_size) json["trained_length"] = info_.trained_length;
    return json;
  }

 private:
  struct Layer {
    AttentionWeights attention;
    Norm mlp_norm;
    Linear up, down;
  };

  static std::string prefix(int64_t i) { return "transformer.h." + std::to_string(i) + "."; }

  Norm make_norm(const std::string& name) {
    Tensor weight = parameters_.add(name + ".weight", {config_.width}, Init::constant(1));
    return {NormKind::layer, weight, parameters_.add(name + ".bias", {config_.width}, Init::zeros()), kEps};
  }

  Linear make_linear(const std::string& name, int64_t out, int64_t in, double deviation) {
    Tensor weight = parameters_.add(name + ".weight", {out, in}, Init::normal(deviation));
    matrices_.push_back({weight});
    return {weight, parameters_.add(name + ".bias", {out}, Init::zeros())};
  }

  Layer make_layer(const std::string& p) {
    int64_t c = config_.width;
    double residual = kDeviation / std::sqrt(2.0 * static_cast<double>(config_.layers));
    Layer layer;
    layer.attention.norm = make_norm(p + "ln_1");
    layer.attention.qkv = make_linear(p + "attn.c_attn", 3 * c, c, kDeviation);
    layer.attention.out = make_linear(p + "attn.c_proj", c, c, residual);
    layer.attention.heads = layer.attention.kv_heads = config_.heads;
    layer.attention.head_dim = c / config_.heads;
    layer.mlp_norm = make_norm(p + "ln_2");
    layer.up = make_linear(p + "mlp.c_fc", 4 * c, c, kDeviation);
    layer.down = make_linear(p + "mlp.c_proj", c, 4 * c, residual);
    return layer;
  }

  void make_position() {
    EncodingContext context;
    context.layers = config_.layers;
    context.width = config_.width;
    context.heads = context.kv_heads = config_.heads;
    context.head_dim = config_.width / config_.heads;
    context.trained_length = config_.block_size;
    context.attention_prefix = [](int64_t i) { return prefix(i) + "attn."; };
    context.parameters = &parameters_;
    context.init_deviation = kDeviation;
    encoding_ = encoding_under(method_, make_encoding(config_.position, context), config_.trained_length);
  }

  void fill_info() {
    info_.family = "gpt";
    info_.label = config_.label;
    info_.position = config_.position;
    if (const std::string method = canonical_method(method_); method != "none") info_.position += "+" + method;
    info_.layers = config_.layers;
    info_.width = config_.width;
    info_.heads = info_.kv_heads = config_.heads;
    info_.head_dim = config_.width / config_.heads;
    info_.hidden = 4 * config_.width;
    info_.vocab = config_.vocab;
    info_.trained_length = config_.trained_length;
    info_.traits = encoding_->traits();
    if (encoding_->key_channel())
      info_.channel_bytes = config_.layers * config_.heads * static_cast<int64_t>(sizeof(double));
  }

  GptConfig config_;
  std::string method_;
  ComputeType compute_;
  Tensor embedding_;  // [V, C], also the head
  std::vector<Layer> layers_;
  Norm final_norm_;
  std::unique_ptr<Encoding> encoding_;
};

std::unique_ptr<Model> create(Spec& spec, const ModelOptions& options) {
  GptConfig config{.label = spec.text(),
                   .vocab = options.vocab,
                   .block_size = options.trained_length,
                   .trained_length = options.trained_length,
                   .position = Spec::parse(options.position).text()};
  if (spec.has("size")) {
    std::vector<std::string> names;
    for (const GptSize& size : kSizes) names.push_back(size.name);
    std::string name = spec.choice("size", names, "tiny");
    for (const GptSize& size : kSizes)
      if (name == size.name) {
        config.layers = size.layers;
        config.heads = size.heads;
        config.width = size.width;
        config.label = "gpt:" + name;
      }
  }
  config.layers = spec.integer("layers", config.layers);
  config.width = spec.integer("width", config.width);
  config.heads = spec.integer("heads", config.heads);
  return std::make_unique<Gpt>(config, options);
}

std::unique_ptr<Model> restore(JsonReader& json, const ModelOptions& options) {
  GptConfig config;
  json.ignore("architectures");
  config.label = json.string_or("label", "gpt");
  config.position = json.string("position");
  config.layers = json.integer("n_layer", 1);
  config.heads = json.integer("n_head", 1);
  config.width = json.integer("n_embd", 1);
  config.vocab = json.integer("vocab_size", 1);
  config.block_size = json.integer("block_size", 1);
  config.trained_length = json.integer_or("trained_length", config.block_size, 1);
  return std::make_unique<Gpt>(config, options);
}

}  // namespace

LH_REGISTER(ModelFamilies, "gpt",
            "GPT-2 body, any encoding: size=mini|tiny|small|medium|large or layers=,width=,heads=",
            ModelFamily{create, restore});

}  // namespace longhaul
