// BloomForCausalLM: ALiBi, a norm behind the embedding, queries, keys and values fused head by head.
#include "models/hub_config.h"
#include "models/hub_model.h"
#include "nn/attention_block.h"
#include "nn/mlp.h"

namespace longhaul {

namespace {

class Bloom : public HubModel {
 public:
  explicit Bloom(HubSource& source) : HubModel(source) {
    JsonReader& config = source.config;
    width_ = size_or_either(config, "n_embed", "hidden_size", 64);
    heads_ = heads_or_either(config, "n_head", "num_attention_heads", 8, width_);
    eps_ = positive_or(config, "layer_norm_epsilon", 1e-5);
    residual_behind_norm_ = config.boolean_or("apply_residual_connection_post_layernorm", false);
    if (size_or(config, "n_inner", 4 * width_) != 4 * width_) config.refuse("n_inner", str("null or ", 4 * width_));
    if (config.boolean_or("slow_but_exact", false) && config.integer_or("pretraining_tp", 1, 1) > 1)
      config.leave_out("slow_but_exact",
                       "with pretraining_tp > 1 the reference then drops biases, which are added here");
    for (const char* key : {"slow_but_exact", "masked_softmax_fusion", "offset_alibi", "attention_softmax_in_fp32",
                            "skip_bias_add", "skip_bias_add_qkv"})
      config.ignore(key);  // how the reference computes, not what
    info_.layers = size_or_either(config, "n_layer", "num_hidden_layers", 2, kMostParts);
    info_.trained_length = size_or(config, "seq_length", 2048);  // few files say it: that of the released models
    info_.heads = info_.kv_heads = heads_, info_.head_dim = width_ / heads_;
    info_.hidden = 4 * width_;
    info_.position = "alibi";

    embedding_name_ = "transformer.word_embeddings.weight";
    embedding_ = add_matrix(embedding_name_, {size_or(config, "vocab_size", 250880), width_});
    embedding_norm_ = layer_norm("transformer.word_embeddings_layernorm", width_, eps_);
    EncodingContext context;
    context.heads = context.kv_heads = heads_;
    context.parameters = &parameters_;
    encoding_ = make_encoding("alibi", context);
    for (int64_t i = 0; i < info_.layers; ++i) layers_.push_back(make_layer(i));
    set_head(layer_norm("transformer.ln_f", width_, eps_), "lm_head", config.boolean_or("tie_word_embeddings", true));
    finish(source, "bloom");
  }

  Stream embed(const Tensor& tokens, const Plan& plan) const override {
    Stream stream = HubModel::embed(tokens, plan);
    stream.x = normalize(stream.x, embedding_norm_);
    return stream;
  }

  void layer(int64_t i, Stream& stream, const Pass& pass) const override {
    const Layer& w = layers_[static_cast<size_t>(i)];
    const Tensor x =
        residual(stream.x, w.attention.norm) + attention_block(stream.x, w.attention, *encoding_, i, pass, compute_);
    stream.x = residual(x, w.norm) + mlp(x, w.norm, w.mlp, compute_);
  }

 private:
  struct Layer {
    AttentionWeights attention;
    Norm norm;
    Mlp mlp;
  };

  Tensor residual(const Tensor& x, const Norm& norm) const { return residual_behind_norm_ ? normalize(x, norm) : x; }

  Layer make_layer(int64_t i) {
    const std::string p = "transformer.h." + std::to_string(i) + ".";
    Layer layer;
    AttentionWeights& w = layer.attention;
    w.heads = w.kv_heads = heads_, w.head_dim = width_ / heads_;
    w.norm = layer_norm(p + "input_layernorm", width_, eps_);
    w.qkv = grouped_qkv(p + "self_attention.query_key_value", heads_, heads_, w.head_dim, width_, true);
    w.out = linear(p + "self_attention.dense", width_, width_, true);
    layer.norm = layer_norm(p + "post_attention_layernorm", width_, eps_);
    layer.mlp = {linear(p + "mlp.dense_h_to_4h", 4 * width_, width_, true),
                 linear(p + "mlp.dense_4h_to_h", width_, 4 * width_, true), Activation::gelu_tanh};
    return layer;
  }

  int64_t width_ = 0, heads_ = 0;
  double eps_ = 0;
  bool residual_behind_norm_ = false;
  Norm embedding_norm_;
  std::vector<Layer> layers_;
};

}  // namespace

LH_REGISTER(HubFamilies, "bloom", "BLOOM", [](HubSource& source) { return std::make_unique<Bloom>(source); });

}  // namespace longhaul
