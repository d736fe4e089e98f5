// FalconForCausalLM, in its three forms: one key and value for all heads (7B), groups of heads (40B, 180B, 11B), each head its own
// (RW); rotary or ALiBi.
#include <ATen/ops/full.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "models/hub_config.h"
#include "models/hub_model.h"
#include "nn/attention_block.h"
#include "nn/mlp.h"
#include "pos/alibi.h"
#include "pos/rope_config.h"

namespace longhaul {

namespace {

// ALiBi as Falcon has it: slope, position and their product rounded to bf16 (in f32 and double models too), and the bias divided by
// sqrt(head size) with the scores.
class FalconAlibi : public Encoding {
 public:
  FalconAlibi(int64_t heads, int64_t head_dim, at::ScalarType dtype) : dtype_(dtype) {
    slopes_ = at::tensor(alibi_slopes(heads), at::TensorOptions(at::kFloat)).to(at::kBFloat16).to(at::kFloat);
    factor_ = 1 / std::sqrt(static_cast<double>(head_dim));
  }

  Bias bias(int64_t, const AttentionCall& call) const override {
    const Tensor positions = call.key_positions().to(at::kBFloat16).to(at::kFloat);
    const Tensor rounded = at::outer(positions, slopes_).to(at::kBFloat16);
    const Tensor g = at::full({call.q.size(0), slopes_.size(0)}, factor_, at::TensorOptions(dtype_));
    return SeparableBias{g, -rounded.to(at::kDouble)};
  }

 private:
  at::ScalarType dtype_;
  Tensor slopes_;  // [H]
  double factor_ = 1;
};

class Falcon : public HubModel {
 public:
  explicit Falcon(HubSource& source) : HubModel(source) {
    JsonReader& config = source.config;
    width_ = size_or_either(config, "n_embed", "hidden_size", 4544);
    heads_ = heads_or_either(config, "n_head", "num_attention_heads", 71, width_);
    hidden_ = size_or(config, "ffn_hidden_size", 4 * width_);
    eps_ = positive_or(config, "layer_norm_epsilon", 1e-5);
    activation_ = activation_or(config, "activation", "gelu");
    bias_ = config.boolean_or("bias", false);
    read_form(config);
    info_.layers = size_or_either(config, "n_layer", "num_hidden_layers", 32, kMostParts);
    info_.trained_length = size_or(config, "max_position_embeddings", 2048);
    info_.heads = heads_, info_.kv_heads = kv_heads_, info_.head_dim = width_ / heads_;
    info_.hidden = hidden_;

    embedding_name_ = "transformer.word_embeddings.weight";
    embedding_ = add_matrix(embedding_name_, {size_or(config, "vocab_size", 65024), width_});
    for (int64_t i = 0; i < info_.layers; ++i) layers_.push_back(make_layer(i));
    set_head(layer_norm("transformer.ln_f", width_, eps_), "lm_head", config.boolean_or("tie_word_embeddings", true));
    if (config.boolean_or("alibi", false)) {
      for (const char* idle : {"rope_theta", "rope_scaling", "rope_parameters"}) config.ignore(idle);
      info_.position = "alibi (Falcon's)";
      encoding_ = std::make_unique<FalconAlibi>(heads_, info_.head_dim, source.dtype);
    } else {
      Rope rope = read_rope(config, {}, info_.head_dim, info_.trained_length);
      info_.position = "rope:" + rope.type;
      encoding_ = rotary(std::move(rope), source.dtype);
    }
    finish(source, "falcon");
  }

  void layer(int64_t i, Stream& stream, const Pass& pass) const override {
    const Layer& w = layers_[static_cast<size_t>(i)];
    const Tensor x = stream.x + attention_block(stream.x, w.attention, *encoding_, i, pass, compute_);
    stream.x = x + mlp(parallel_ ? stream.x : x, w.norm, w.mlp, compute_);
  }

 private:
  struct Layer {
    AttentionWeights attention;
    Norm norm;  // of the MLP; where attention and MLP share one norm, that one
    Mlp mlp;
  };

  void read_form(JsonReader& config) {
    // The first files of the 40B model say it by their model_type alone.
    const bool is_new = config.string("model_type") == "RefinedWeb";
    grouped_ = config.boolean_or("new_decoder_architecture", is_new);
    const bool multi_query = config.boolean_or("multi_query", true);
    one_key_ = !grouped_ && multi_query;
    config.ignore("ff_factor");  // ffn_hidden_size says it
    // BLOOM's key, which the reference's Falcon does not look at: the residual never is what a norm gave.
    const char* idle = "apply_residual_connection_post_layernorm";
    if (config.is_set(idle) && config.boolean_or(idle, false))
      config.leave_out(idle, "the class computes the same without it");
    const char* kv_key = either_key(config, "n_head_kv", "num_kv_heads");
    kv_heads_ = size_or(config, kv_key, heads_);
    if (!grouped_) kv_heads_ = one_key_ ? 1 : heads_;
    if (heads_ % kv_heads_ != 0) config.refuse(kv_key, str("a divisor of the ", heads_, " heads"));
    parallel_ = config.boolean_or("parallel_attn", true) || grouped_;
    const int64_t norms = size_or(config, "num_ln_in_parallel_attn", 2);
    if (norms > 2) config.refuse("num_ln_in_parallel_attn", "1 or 2");
    two_norms_ = grouped_ && norms == 2;
  }

  Linear fused_qkv(const std::string& name, int64_t head_dim) {
    if (one_key_) return linear(name, (heads_ + 2) * head_dim, width_, bias_);
    return grouped_qkv(name, heads_, kv_heads_, head_dim, width_, bias_);
  }

  Layer make_layer(int64_t i) {
    const std::string p = "transformer.h." + std::to_string(i) + ".";
    Layer layer;
    AttentionWeights& w = layer.attention;
    w.heads = heads_, w.kv_heads = kv_heads_, w.head_dim = width_ / heads_;
    w.norm = layer_norm(p + (two_norms_ ? "ln_attn" : "input_layernorm"), width_, eps_);
    w.qkv = fused_qkv(p + "self_attention.query_key_value", w.head_dim);
    w.out = linear(p + "self_attention.dense", width_, heads_ * w.head_dim, bias_);
    layer.norm = two_norms_  ? layer_norm(p + "ln_mlp", width_, eps_)
                 : parallel_ ? w.norm
                             : layer_norm(p + "post_attention_layernorm", width_, eps_);
    layer.mlp = {linear(p + "mlp.dense_h_to_4h", hidden_, width_, bias_),
                 linear(p + "mlp.dense_4h_to_h", width_, hidden_, bias_), activation_};
    return layer;
  }

  int64_t width_ = 0, heads_ = 0, kv_heads_ = 0, hidden_ = 0;
  double eps_ = 0;
  Activation activation_{};
  bool bias_ = false, grouped_ = false, one_key_ = false, parallel_ = true, two_norms_ = false;
  std::vector<Layer> layers_;
};

std::unique_ptr<Model> make(HubSource& source) { return std::make_unique<Falcon>(source); }

}  // namespace

LH_REGISTER(HubFamilies, "falcon", "Falcon, rotary or ALiBi", make);
LH_REGISTER(HubFamilies, "RefinedWeb", "Falcon 40B's first files", make);
LH_REGISTER(HubFamilies, "RefinedWebModel", "Falcon 7B's and RW's first files", make);

}  // namespace longhaul
