// GPTNeoXForCausalLM (Pythia, GPT-NeoX-20B): attention and MLP side by side, each on its own norm of the input (or one behind the
// other), a quarter of each head rotary, queries, keys and values fused head by head.
#include "models/hub_config.h"
#include "models/hub_model.h"
#include "nn/attention_block.h"
#include "nn/mlp.h"
#include "pos/rope_config.h"

namespace longhaul {

namespace {

class GptNeoX : public HubModel {
 public:
  explicit GptNeoX(HubSource& source) : HubModel(source) {
    JsonReader& config = source.config;
    width_ = size_or(config, "hidden_size", 6144);
    heads_ = size_or(config, "num_attention_heads", 64);
    if (width_ % heads_ != 0) config.refuse("num_attention_heads", str("a divisor of the width ", width_));
    hidden_ = size_or(config, "intermediate_size", 24576);
    eps_ = positive_or(config, "layer_norm_eps", 1e-5);
    activation_ = activation_or(config, "hidden_act", "gelu");
    parallel_ = config.boolean_or("use_parallel_residual", true);
    bias_ = config.boolean_or("attention_bias", true);
    info_.layers = size_or(config, "num_hidden_layers", 44, kMostParts);
    info_.trained_length = size_or(config, "max_position_embeddings", 2048);
    RopeFamily family;  // some files hold a setting under the class's own name and under that of all families
    family.partial = 0.25;
    family.partly = true;
    family.theta_key = either_key(config, "rotary_emb_base", "rope_theta");
    family.partial_key = either_key(config, "rotary_pct", "partial_rotary_factor");
    Rope rope = read_rope(config, family, width_ / heads_, info_.trained_length);
    info_.position = "rope:" + rope.type;
    info_.heads = info_.kv_heads = heads_, info_.head_dim = width_ / heads_;
    info_.hidden = hidden_;

    embedding_name_ = "gpt_neox.embed_in.weight";
    embedding_ = add_matrix(embedding_name_, {size_or(config, "vocab_size", 50432), width_});
    for (int64_t i = 0; i < info_.layers; ++i) layers_.push_back(make_layer(i));
    // A state_dict of transformers 5 has the name that other families have.
    const bool renamed = !source.files.has("embed_out.weight") && source.files.has("lm_head.weight");
    set_head(layer_norm("gpt_neox.final_layer_norm", width_, eps_), renamed ? "lm_head" : "embed_out",
             config.boolean_or("tie_word_embeddings", false));
    encoding_ = rotary(std::move(rope), source.dtype);
    finish(source, "gpt_neox");
  }

  void layer(int64_t i, Stream& stream, const Pass& pass) const override {
    const Layer& w = layers_[static_cast<size_t>(i)];
    const Tensor attended = stream.x + attention_block(stream.x, w.attention, *encoding_, i, pass, compute_);
    stream.x = attended + mlp(parallel_ ? stream.x : attended, w.norm, w.mlp, compute_);
  }

 private:
  struct Layer {
    AttentionWeights attention;
    Norm norm;
    Mlp mlp;
  };

  Layer make_layer(int64_t i) {
    const std::string p = "gpt_neox.layers." + std::to_string(i) + ".";
    Layer layer;
    AttentionWeights& w = layer.attention;
    w.heads = w.kv_heads = heads_, w.head_dim = width_ / heads_;
    w.norm = layer_norm(p + "input_layernorm", width_, eps_);
    w.qkv = grouped_qkv(p + "attention.query_key_value", heads_, heads_, w.head_dim, width_, bias_);
    w.out = linear(p + "attention.dense", width_, width_, bias_);
    layer.norm = layer_norm(p + "post_attention_layernorm", width_, eps_);
    layer.mlp = {linear(p + "mlp.dense_h_to_4h", hidden_, width_, true),
                 linear(p + "mlp.dense_4h_to_h", width_, hidden_, true), activation_};
    return layer;
  }

  int64_t width_ = 0, heads_ = 0, hidden_ = 0;
  double eps_ = 0;
  Activation activation_{};
  bool parallel_ = true, bias_ = true;
  std::vector<Layer> layers_;
};

}  // namespace

LH_REGISTER(HubFamilies, "gpt_neox", "Pythia and GPT-NeoX",
            [](HubSource& source) { return std::make_unique<GptNeoX>(source); });

}  // namespace longhaul
