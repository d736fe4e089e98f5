// MptForCausalLM: ALiBi, layer norms without biases, no bias anywhere.
#include <optional>

#include "models/hub_config.h"
#include "models/hub_model.h"
#include "nn/attention_block.h"
#include "nn/mlp.h"

namespace longhaul {

namespace {

class Mpt : public HubModel {
 public:
  explicit Mpt(HubSource& source) : HubModel(source) {
    JsonReader& config = source.config;
    width_ = size_or_either(config, "d_model", "hidden_size", 2048);
    heads_ = heads_or_either(config, "n_heads", "num_attention_heads", 16, width_);
    eps_ = positive_or(config, "layer_norm_epsilon", 1e-5);
    const double bias_max = read_attention(config);
    // The class computes 4 * d_model, ALiBi and no biases whatever these say; the tensors of another model do not fit.
    for (const char* key : {"expansion_ratio", "learned_pos_emb", "no_bias", "logit_scale", "norm_type",
                            "embedding_fraction", "init_device", "verbose", "init_config", "tokenizer_name"})
      config.ignore(key);
    info_.layers = size_or_either(config, "n_layers", "num_hidden_layers", 24, kMostParts);
    info_.trained_length = size_or(config, "max_seq_len", 2048);
    info_.heads = info_.kv_heads = heads_, info_.head_dim = width_ / heads_;
    info_.hidden = 4 * width_;
    info_.position = longhaul::str("alibi:max=", bias_max);

    embedding_name_ = "transformer.wte.weight";
    embedding_ = add_matrix(embedding_name_, {size_or(config, "vocab_size", 50368), width_});
    EncodingContext context;
    context.heads = context.kv_heads = heads_;
    context.parameters = &parameters_;
    encoding_ = make_encoding(info_.position, context);
    for (int64_t i = 0; i < info_.layers; ++i) layers_.push_back(make_layer(i));
    set_head(layer_norm("transformer.norm_f", width_, eps_, /*bias=*/false), "lm_head",
             config.boolean_or("tie_word_embeddings", true));
    finish(source, "mpt");
  }

  void layer(int64_t i, Stream& stream, const Pass& pass) const override {
    const Layer& w = layers_[static_cast<size_t>(i)];
    const Tensor x = stream.x + attention_block(stream.x, w.attention, *encoding_, i, pass, compute_);
    stream.x = x + mlp(x, w.norm, w.mlp, compute_);
  }

 private:
  struct Layer {
    AttentionWeights attention;
    Norm norm;
    Mlp mlp;
  };

  // attn_config; returns alibi_bias_max. It holds the attributes of a config of its own, which mean nothing here.
  double read_attention(JsonReader& config) {
    if (!config.is_set("attn_config")) return 8;
    JsonReader attention = config.object("attn_config");
    if (attention.is_set("clip_qkv")) clip_ = positive_or(attention, "clip_qkv", 0);
    if (attention.is_set("softmax_scale")) scale_ = positive_or(attention, "softmax_scale", 0);
    only_flag(attention, "prefix_lm", false);
    const double bias_max = attention.is_set("alibi_bias_max") ? positive_or(attention, "alibi_bias_max", 8) : 8;
    for (const std::string& key : attention.strangers()) attention.ignore(key);
    attention.finish();  // what is left is nearly a key that is read
    return bias_max;
  }

  Layer make_layer(int64_t i) {
    const std::string p = "transformer.blocks." + std::to_string(i) + ".";
    Layer layer;
    AttentionWeights& w = layer.attention;
    w.heads = w.kv_heads = heads_, w.head_dim = width_ / heads_;
    w.norm = layer_norm(p + "norm_1", width_, eps_, /*bias=*/false);
    w.qkv = linear(p + "attn.Wqkv", 3 * width_, width_);
    w.out = linear(p + "attn.out_proj", width_, width_);
    w.clip = clip_;
    w.scale = scale_;
    layer.norm = layer_norm(p + "norm_2", width_, eps_, /*bias=*/false);
    layer.mlp = {linear(p + "ffn.up_proj", 4 * width_, width_), linear(p + "ffn.down_proj", width_, 4 * width_),
                 Activation::gelu};
    return layer;
  }

  int64_t width_ = 0, heads_ = 0;
  double eps_ = 0, clip_ = 0;
  std::optional<double> scale_;
  std::vector<Layer> layers_;
};

}  // namespace

LH_REGISTER(HubFamilies, "mpt", "MPT", [](HubSource& source) { return std::make_unique<Mpt>(source); });

}  // namespace longhaul
