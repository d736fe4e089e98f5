// PhiForCausalLM (Phi 1, 1.5 and 2): attention and MLP side by side on one norm of the input, part of each head rotary, and a
// bias everywhere, the head's logits too.
#include "models/hub_config.h"
#include "models/hub_model.h"
#include "nn/attention_block.h"
#include "nn/mlp.h"
#include "pos/rope_config.h"

namespace longhaul {

namespace {

class Phi : public HubModel {
 public:
  explicit Phi(HubSource& source) : HubModel(source) {
    JsonReader& config = source.config;
    sizes_ = read_heads(config, 2048, 32);
    hidden_ = size_or(config, "intermediate_size", 8192);
    eps_ = positive_or(config, "layer_norm_eps", 1e-5);
    activation_ = activation_or(config, "hidden_act", "gelu_new");
    head_norms_ = config.boolean_or("qk_layernorm", false);
    info_.layers = size_or(config, "num_hidden_layers", 24, kMostParts);
    info_.trained_length = size_or(config, "max_position_embeddings", 2048);
    Rope rope = read_rope(config, {.partial = 0.5, .partly = true}, sizes_.head_dim, info_.trained_length);
    info_.position = "rope:" + rope.type;
    info_.heads = sizes_.heads, info_.kv_heads = sizes_.kv_heads, info_.head_dim = sizes_.head_dim;
    info_.hidden = hidden_;

    embedding_name_ = "model.embed_tokens.weight";
    embedding_ = add_matrix(embedding_name_, {size_or(config, "vocab_size", 51200), sizes_.width});
    for (int64_t i = 0; i < info_.layers; ++i) layers_.push_back(make_layer(i));
    set_head(layer_norm("model.final_layernorm", sizes_.width, eps_), "lm_head",
             config.boolean_or("tie_word_embeddings", false), /*bias=*/true);
    encoding_ = rotary(std::move(rope), source.dtype);
    finish(source, "phi");
  }

  void layer(int64_t i, Stream& stream, const Pass& pass) const override {
    const Layer& w = layers_[static_cast<size_t>(i)];
    stream.x = stream.x + attention_block(stream.x, w.attention, *encoding_, i, pass, compute_) +
               mlp(stream.x, w.attention.norm, w.mlp, compute_);
  }

 private:
  struct Layer {
    AttentionWeights attention;
    Mlp mlp;
  };

  Layer make_layer(int64_t i) {
    const std::string p = "model.layers." + std::to_string(i) + ".", a = p + "self_attn.";
    const auto [width, heads, kv_heads, size] = sizes_;
    Layer layer;
    AttentionWeights& w = layer.attention;
    w.norm = layer_norm(p + "input_layernorm", width, eps_);
    w.qkv = stack(a + "qkv_proj",
                  {{a + "q_proj", heads * size}, {a + "k_proj", kv_heads * size}, {a + "v_proj", kv_heads * size}},
                  width, true);
    if (head_norms_) {
      w.q_norm = layer_norm(a + "q_layernorm", size, eps_);
      w.k_norm = layer_norm(a + "k_layernorm", size, eps_);
    }
    w.out = linear(a + "dense", width, heads * size, true);
    w.heads = heads, w.kv_heads = kv_heads, w.head_dim = size;
    layer.mlp = {linear(p + "mlp.fc1", hidden_, width, true), linear(p + "mlp.fc2", width, hidden_, true), activation_};
    return layer;
  }

  HeadSizes sizes_{};
  int64_t hidden_ = 0;
  double eps_ = 0;
  Activation activation_{};
  bool head_norms_ = false;
  std::vector<Layer> layers_;
};

}  // namespace

LH_REGISTER(HubFamilies, "phi", "Phi 1, 1.5 and 2", [](HubSource& source) { return std::make_unique<Phi>(source); });

}  // namespace longhaul
