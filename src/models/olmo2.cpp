// Olmo2ForCausalLM: Llama whose norms stand behind attention and MLP, with a norm over all queries and one over all keys.
#include "models/hub_config.h"
#include "models/hub_model.h"
#include "nn/attention_block.h"
#include "nn/mlp.h"
#include "pos/rope_config.h"

namespace longhaul {

namespace {

class Olmo2 : public HubModel {
 public:
  explicit Olmo2(HubSource& source) : HubModel(source) {
    JsonReader& config = source.config;
    sizes_ = read_heads(config, 4096, 32);
    hidden_ = size_or(config, "intermediate_size", 11008);
    eps_ = positive_or(config, "rms_norm_eps", 1e-5);
    activation_ = activation_or(config, "hidden_act", "silu");
    bias_ = config.boolean_or("attention_bias", false);
    info_.layers = size_or(config, "num_hidden_layers", 32, kMostParts);
    info_.trained_length = size_or(config, "max_position_embeddings", 2048);
    Rope rope = read_rope(config, {}, sizes_.head_dim, info_.trained_length);
    info_.position = "rope:" + rope.type;
    info_.heads = sizes_.heads, info_.kv_heads = sizes_.kv_heads, info_.head_dim = sizes_.head_dim;
    info_.hidden = hidden_;
    info_.mlp_matrices = 3;

    embedding_name_ = "model.embed_tokens.weight";
    embedding_ = add_matrix(embedding_name_, {size_or(config, "vocab_size", 50304), sizes_.width});
    for (int64_t i = 0; i < info_.layers; ++i) layers_.push_back(make_layer(i));
    set_head(rms_norm("model.norm", sizes_.width, eps_), "lm_head", config.boolean_or("tie_word_embeddings", false));
    encoding_ = rotary(std::move(rope), source.dtype);
    finish(source, "olmo2");
  }

  void layer(int64_t i, Stream& stream, const Pass& pass) const override {
    const Layer& w = layers_[static_cast<size_t>(i)];
    const Tensor attended = attention_block(stream.x, w.attention, *encoding_, i, pass, compute_);
    const Tensor x = stream.x + normalize(attended, w.behind_attention);
    stream.x = x + normalize(gated_mlp(x, w.mlp, compute_), w.behind_mlp);
  }

 private:
  struct Layer {
    AttentionWeights attention;
    Norm behind_attention, behind_mlp;
    GatedMlp mlp;
  };

  Layer make_layer(int64_t i) {
    const std::string p = "model.layers." + std::to_string(i) + ".", a = p + "self_attn.", m = p + "mlp.";
    const auto [width, heads, kv_heads, size] = sizes_;
    Layer layer;
    AttentionWeights& w = layer.attention;
    w.heads = heads, w.kv_heads = kv_heads, w.head_dim = size;
    w.norm.kind = NormKind::none;
    w.qkv = stack(a + "qkv_proj",
                  {{a + "q_proj", heads * size}, {a + "k_proj", kv_heads * size}, {a + "v_proj", kv_heads * size}},
                  width, bias_);
    w.q_norm = rms_norm(a + "q_norm", heads * size, eps_);
    w.k_norm = rms_norm(a + "k_norm", kv_heads * size, eps_);
    w.out = linear(a + "o_proj", width, heads * size, bias_);
    layer.behind_attention = rms_norm(p + "post_attention_layernorm", width, eps_);
    layer.behind_mlp = rms_norm(p + "post_feedforward_layernorm", width, eps_);
    layer.mlp = {stack(m + "gate_up_proj", {{m + "gate_proj", hidden_}, {m + "up_proj", hidden_}}, width),
                 linear(m + "down_proj", width, hidden_), activation_};
    return layer;
  }

  HeadSizes sizes_{};
  int64_t hidden_ = 0;
  double eps_ = 0;
  Activation activation_{};
  bool bias_ = false;
  std::vector<Layer> layers_;
};

}  // namespace

LH_REGISTER(HubFamilies, "olmo2", "OLMo 2", [](HubSource& source) { return std::make_unique<Olmo2>(source); });

}  // namespace longhaul
