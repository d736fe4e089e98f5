// Gemma 1, 2 and 3 (text): embeddings times sqrt(width), RMS norms by 1 + weight, a gated MLP with gelu. 2 and 3 have norms behind
// attention and MLP too, windows in most layers and a scale of their own; 2 caps logits; 3 has norms of each query and key, and
// other rotary frequencies in the layers with a window.
#include <cmath>
#include <optional>

#include "models/hub_config.h"
#include "models/hub_model.h"
#include "nn/attention_block.h"
#include "nn/mlp.h"
#include "pos/rope_config.h"
#include "pos/rotary_encoding.h"

namespace longhaul {

namespace {

class Gemma : public HubModel {
 public:
  Gemma(HubSource& source, int64_t generation) : HubModel(source), generation_(generation) {
    JsonReader& config = source.config;
    const bool first = generation == 1;
    sizes_ = read_heads(config, first ? 3072 : 2304, first ? 16 : 8, first ? 16 : 4, 256);
    hidden_ = size_or(config, "intermediate_size", first ? 24576 : 9216);
    eps_ = positive_or(config, "rms_norm_eps", 1e-6);
    bias_ = config.boolean_or("attention_bias", false);
    only_flag(config, "use_bidirectional_attention", false);
    // What counts and what some files have beside it. Gemma 1's files say gelu and mean its tanh form.
    const char *key = first ? "hidden_act" : "hidden_activation", *other = first ? "hidden_activation" : "hidden_act";
    config.ignore(other);
    const bool old = first && config.is_set(key) && config.value(key) == "gelu";
    if (!old) activation_ = activation_or(config, key, "gelu_pytorch_tanh");
    info_.layers = size_or(config, "num_hidden_layers", first ? 28 : 26, kMostParts);
    info_.trained_length = size_or(config, "max_position_embeddings", generation == 3 ? 131072 : 8192);
    read_attention(config);
    fill_info();

    embedding_name_ = "model.embed_tokens.weight";
    embedding_ =
        add_matrix(embedding_name_, {size_or(config, "vocab_size", generation == 3 ? 262208 : 256000), sizes_.width});
    embedding_scale_ = std::sqrt(static_cast<double>(sizes_.width));
    for (int64_t i = 0; i < info_.layers; ++i) layers_.push_back(make_layer(i));
    set_head(norm("model.norm"), "lm_head", config.boolean_or("tie_word_embeddings", true));
    head_.logits.soft_cap = cap_or(config, "final_logit_softcapping", generation == 2 ? 30 : 0);
    make_encoding(config, source.dtype);
    finish(source, generation == 1 ? "gemma" : longhaul::str("gemma", generation));
  }

  void layer(int64_t i, Stream& stream, const Pass& pass) const override {
    const Layer& w = layers_[static_cast<size_t>(i)];
    const Tensor attended = attention_block(stream.x, w.attention, *encoding_, i, pass, compute_);
    const Tensor x = stream.x + normalize(attended, w.behind_attention);
    stream.x = x + normalize(gated_mlp(x, w.mlp_norm, w.mlp, compute_), w.behind_mlp);
  }

 private:
  struct Layer {
    AttentionWeights attention;
    Norm behind_attention, mlp_norm, behind_mlp;
    GatedMlp mlp;
  };

  // A missing cap is the class's, null is none.
  static double cap_or(JsonReader& config, const std::string& key, double fallback) {
    if (!config.has(key)) return fallback;
    return config.is_set(key) ? positive_or(config, key, fallback) : 0;
  }

  void read_attention(JsonReader& config) {
    slides_.assign(static_cast<size_t>(info_.layers), false);
    if (generation_ == 1) return;
    scale_ = 1 / std::sqrt(positive_or(config, "query_pre_attn_scalar", 256));
    const double cap = cap_or(config, "attn_logit_softcapping", generation_ == 2 ? 50 : 0);
    if (generation_ == 2) soft_cap_ = cap;  // the reference's Gemma 3 reads the key and caps nothing
    const int64_t window = window_or(config, 4096);
    const int64_t pattern = generation_ == 2 ? 2 : size_or(config, "sliding_window_pattern", 6);
    config.ignore("_sliding_window_pattern");  // layer_types says it
    config.ignore("sliding_window_size");      // in files of Gemma 2 beside sliding_window, which alone is read
    const auto rule = [&](int64_t i) { return (i + 1) % pattern != 0; };
    slides_ = read_sliding_layers(config, info_.layers, rule);
    info_.windows = read_windows(config, info_.layers, window, rule);
  }

  void make_encoding(JsonReader& config, at::ScalarType dtype) {
    RopeFamily full;
    if (generation_ == 3) full.theta = 1e6, full.part = "full_attention";
    Rope rope = read_rope(config, full, sizes_.head_dim, info_.trained_length);
    info_.position = "rope:" + rope.type;
    if (generation_ != 3) {
      encoding_ = rotary(std::move(rope), dtype);
      return;
    }
    RopeFamily local;
    local.part = "sliding_attention", local.theta_key = "rope_local_base_freq", local.scaled = false;
    encoding_ = std::make_unique<RotaryEncoding>(
        std::move(rope), read_rope(config, local, sizes_.head_dim, info_.trained_length), slides_, dtype);
  }

  void fill_info() {
    info_.heads = sizes_.heads, info_.kv_heads = sizes_.kv_heads, info_.head_dim = sizes_.head_dim;
    info_.hidden = hidden_;
    info_.mlp_matrices = 3;
  }

  Norm norm(const std::string& name) { return rms_norm(name, sizes_.width, eps_, 1); }

  Layer make_layer(int64_t i) {
    const std::string p = "model.layers." + std::to_string(i) + ".", m = p + "mlp.";
    Layer layer;
    layer.attention = make_attention(p, i);
    if (generation_ == 1) {
      layer.mlp_norm = norm(p + "post_attention_layernorm");
      layer.behind_attention.kind = layer.behind_mlp.kind = NormKind::none;
    } else {
      layer.behind_attention = norm(p + "post_attention_layernorm");
      layer.mlp_norm = norm(p + "pre_feedforward_layernorm");
      layer.behind_mlp = norm(p + "post_feedforward_layernorm");
    }
    layer.mlp = {stack(m + "gate_up_proj", {{m + "gate_proj", hidden_}, {m + "up_proj", hidden_}}, sizes_.width),
                 linear(m + "down_proj", sizes_.width, hidden_), activation_};
    return layer;
  }

  AttentionWeights make_attention(const std::string& p, int64_t i) {
    const auto [width, heads, kv_heads, size] = sizes_;
    const std::string a = p + "self_attn.";
    AttentionWeights w;
    w.heads = heads, w.kv_heads = kv_heads, w.head_dim = size;
    w.norm = norm(p + "input_layernorm");
    w.qkv = stack(a + "qkv_proj",
                  {{a + "q_proj", heads * size}, {a + "k_proj", kv_heads * size}, {a + "v_proj", kv_heads * size}},
                  width, bias_);
    if (generation_ == 3) {
      w.q_norm = rms_norm(a + "q_norm", size, eps_, 1);
      w.k_norm = rms_norm(a + "k_norm", size, eps_, 1);
    }
    w.out = linear(a + "o_proj", width, heads * size, bias_);
    if (!info_.windows.empty()) w.window = info_.windows[static_cast<size_t>(i)];
    w.soft_cap = soft_cap_;
    w.scale = scale_;
    return w;
  }

  int64_t generation_;
  HeadSizes sizes_{};
  int64_t hidden_ = 0;
  double eps_ = 0, soft_cap_ = 0;
  std::optional<double> scale_;
  Activation activation_ = Activation::gelu_tanh;
  bool bias_ = false;
  std::vector<bool> slides_;  // layers of the kind that has a window, if there is one, and (Gemma 3) local frequencies
  std::vector<Layer> layers_;
};

}  // namespace

LH_REGISTER(HubFamilies, "gemma", "Gemma 1", [](HubSource& source) { return std::make_unique<Gemma>(source, 1); });
LH_REGISTER(HubFamilies, "gemma2", "Gemma 2", [](HubSource& source) { return std::make_unique<Gemma>(source, 2); });
LH_REGISTER(HubFamilies, "gemma3_text", "Gemma 3, text",
            [](HubSource& source) { return std::make_unique<Gemma>(source, 3); });

}  // namespace longhaul
