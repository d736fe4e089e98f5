// OPTForCausalLM: a learned table of positions that begins at row 2, norms before (or, in the 350M model, behind) attention and MLP,
// and there a narrower embedding with a matrix on either side.
#include <ATen/ops/embedding.h>

#include <cmath>

#include "models/hub_config.h"
#include "models/hub_model.h"
#include "nn/attention_block.h"
#include "nn/mlp.h"
#include "ops/embedding/embedding.h"

namespace longhaul {

namespace {

constexpr int64_t kFirstRow = 2;  // the reference's table has two rows for padding before position 0

class OptPositions : public Encoding {
 public:
  explicit OptPositions(const Tensor& table) : table_(table) {}

  Tensor embed(const Plan& plan) const override {
    const Tensor positions = plan.seq.positions.contiguous();
    const double* values = positions.const_data_ptr<double>();
    const int64_t longest = table_.size(0) - kFirstRow;
    for (int64_t t = 0; t < positions.numel(); ++t)
      check(values[t] >= 0 && values[t] < static_cast<double>(longest) && values[t] == std::floor(values[t]),
            "opt: wanted whole positions from 0 to ", longest - 1, ", where the table ends, found ", values[t]);
    return at::embedding(table_, positions.to(at::kLong) + kFirstRow);
  }

  Traits traits() const override {
    return {.longest = table_.size(0) - kFirstRow, .limit = "the table ends at the trained length"};
  }

 private:
  Tensor table_;  // [2 + Lmax, C]
};

class Opt : public HubModel {
 public:
  explicit Opt(HubSource& source) : HubModel(source) {
    JsonReader& config = source.config;
    read_sizes(config);
    embedding_name_ = kRoot + "embed_tokens.weight";
    embedding_ = add_matrix(embedding_name_, {size_or(config, "vocab_size", 50272), embedded_});
    encoding_ = std::make_unique<OptPositions>(
        add(kRoot + "embed_positions.weight", {kFirstRow + info_.trained_length, width_}));
    if (embedded_ != width_) {
      project_in_ = linear(kRoot + "project_in", width_, embedded_);
      project_out_ = linear(kRoot + "project_out", embedded_, width_);
    }
    for (int64_t i = 0; i < info_.layers; ++i) layers_.push_back(make_layer(i));
    final_norm_.kind = NormKind::none;
    const bool no_norm = config.boolean_or("_remove_final_layer_norm", false);
    if (norm_before_ && !no_norm) final_norm_ = norm(kRoot + "final_layer_norm");
    // The last layer takes norm and projection along: the head is then that of every model.
    Norm none;
    none.kind = NormKind::none;
    set_head(project_out_.weight.defined() ? none : final_norm_, "lm_head",
             config.boolean_or("tie_word_embeddings", true));
    finish(source, "opt");
    info_.width = width_;
  }

  Stream embed(const Tensor& tokens, const Plan& plan) const override {
    if (!project_in_.weight.defined()) return HubModel::embed(tokens, plan);
    return {linear_of_rows(tokens) + encoding_->embed(plan), plan.seq, {}};
  }

  void layer(int64_t i, Stream& stream, const Pass& pass) const override {
    const Layer& w = layers_[static_cast<size_t>(i)];
    Tensor x = stream.x + attention_block(stream.x, w.attention, *encoding_, i, pass, compute_);
    x = normalize(x, w.behind_attention);
    x = normalize(x + mlp(x, w.mlp_norm, w.mlp, compute_), w.behind_mlp);
    if (i + 1 == info_.layers && project_out_.weight.defined()) x = norm_linear(x, final_norm_, project_out_, compute_);
    stream.x = x;
  }

 private:
  struct Layer {
    AttentionWeights attention;
    Norm behind_attention, mlp_norm, behind_mlp;
    Mlp mlp;
  };
  inline static const std::string kRoot = "model.decoder.";

  void read_sizes(JsonReader& config) {
    width_ = size_or(config, "hidden_size", 768);
    heads_ = size_or(config, "num_attention_heads", 12);
    if (width_ % heads_ != 0) config.refuse("num_attention_heads", str("a divisor of the width ", width_));
    hidden_ = size_or(config, "ffn_dim", 3072);
    embedded_ = size_or(config, "word_embed_proj_dim", width_);
    activation_ = activation_or(config, "activation_function", "relu");
    norm_before_ = config.boolean_or("do_layer_norm_before", true);
    bias_ = config.boolean_or("enable_bias", true);
    affine_ = config.boolean_or("layer_norm_elementwise_affine", true);
    config.ignore("init_std");
    only_flag(config, "scale_embeddings", false);
    only_flag(config, "learned_embeddings", true);
    info_.layers = size_or(config, "num_hidden_layers", 12, kMostParts);
    info_.trained_length = size_or(config, "max_position_embeddings", 2048);
    info_.heads = info_.kv_heads = heads_, info_.head_dim = width_ / heads_;
    info_.hidden = hidden_;
    info_.position = "learned";
  }

  Tensor linear_of_rows(const Tensor& tokens) const {
    return longhaul::linear(embedding_rows(embedding_, tokens), project_in_, compute_);
  }

  Norm norm(const std::string& name) {
    if (affine_) return layer_norm(name, width_, 1e-5);
    return {NormKind::layer, {}, {}, 1e-5};
  }

  Layer make_layer(int64_t i) {
    const std::string p = kRoot + "layers." + std::to_string(i) + ".", a = p + "self_attn.";
    Layer layer;
    AttentionWeights& w = layer.attention;
    w.heads = w.kv_heads = heads_, w.head_dim = width_ / heads_;
    Norm none;
    none.kind = NormKind::none;
    const Norm first = norm(p + "self_attn_layer_norm"), second = norm(p + "final_layer_norm");
    w.norm = norm_before_ ? first : none;
    layer.behind_attention = norm_before_ ? none : first;
    layer.mlp_norm = norm_before_ ? second : none;
    layer.behind_mlp = norm_before_ ? none : second;
    w.qkv =
        stack(a + "qkv_proj", {{a + "q_proj", width_}, {a + "k_proj", width_}, {a + "v_proj", width_}}, width_, bias_);
    w.out = linear(a + "out_proj", width_, width_, bias_);
    layer.mlp = {linear(p + "fc1", hidden_, width_, bias_), linear(p + "fc2", width_, hidden_, bias_), activation_};
    return layer;
  }

  int64_t width_ = 0, heads_ = 0, hidden_ = 0, embedded_ = 0;
  Activation activation_{};
  bool norm_before_ = true, bias_ = true, affine_ = true;
  Linear project_in_, project_out_;
  Norm final_norm_;
  std::vector<Layer> layers_;
};

}  // namespace

LH_REGISTER(HubFamilies, "opt", "OPT", [](HubSource& source) { return std::make_unique<Opt>(source); });

}  // namespace longhaul
