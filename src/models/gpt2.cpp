// GPT2LMHeadModel: pre-norm layers, a learned table of positions, matrices stored [in, out].
#include <cmath>

#include "models/hub_config.h"
#include "models/hub_model.h"
#include "nn/attention_block.h"
#include "nn/mlp.h"

namespace longhaul {

namespace {

class Gpt2 : public HubModel {
 public:
  explicit Gpt2(HubSource& source) : HubModel(source) {
    JsonReader& config = source.config;
    width_ = size_or_either(config, "n_embd", "hidden_size", 768);
    heads_ = heads_or_either(config, "n_head", "num_attention_heads", 12, width_);
    hidden_ = size_or(config, "n_inner", 4 * width_);
    eps_ = positive_or(config, "layer_norm_epsilon", 1e-5);
    activation_ = activation_or(config, "activation_function", "gelu_new");
    scaled_ = config.boolean_or("scale_attn_weights", true);
    scaled_by_layer_ = config.boolean_or("scale_attn_by_inverse_layer_idx", false);
    config.ignore("reorder_and_upcast_attn");  // a matter of float16: logits are f32 here, always
    config.ignore("n_ctx");                    // n_positions again, in old files
    info_.layers = size_or_either(config, "n_layer", "num_hidden_layers", 12, kMostParts);
    info_.trained_length = size_or_either(config, "n_positions", "max_position_embeddings", 1024);
    info_.heads = info_.kv_heads = heads_, info_.head_dim = width_ / heads_;
    info_.hidden = hidden_;
    info_.position = "learned";

    embedding_name_ = "transformer.wte.weight";
    embedding_ = add_matrix(embedding_name_, {size_or(config, "vocab_size", 50257), width_});
    EncodingContext context;
    context.width = width_;
    context.trained_length = info_.trained_length;
    context.parameters = &parameters_;
    check_size("transformer.wpe.weight", {info_.trained_length, width_});  // which the encoding makes
    encoding_ = make_encoding("learned", context);
    for (int64_t i = 0; i < info_.layers; ++i) layers_.push_back(make_layer(i));
    set_head(layer_norm("transformer.ln_f", width_, eps_), "lm_head", config.boolean_or("tie_word_embeddings", true));
    finish(source, "gpt2");
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

  Layer make_layer(int64_t i) {
    const std::string p = "transformer.h." + std::to_string(i) + ".";
    Layer layer;
    AttentionWeights& w = layer.attention;
    w.heads = w.kv_heads = heads_, w.head_dim = width_ / heads_;
    w.norm = layer_norm(p + "ln_1", width_, eps_);
    w.qkv = conv1d(p + "attn.c_attn", 3 * width_, width_);
    w.out = conv1d(p + "attn.c_proj", width_, width_);
    w.scale = (scaled_ ? 1 / std::sqrt(static_cast<double>(w.head_dim)) : 1) /
              (scaled_by_layer_ ? static_cast<double>(i + 1) : 1);
    layer.norm = layer_norm(p + "ln_2", width_, eps_);
    layer.mlp = {conv1d(p + "mlp.c_fc", hidden_, width_), conv1d(p + "mlp.c_proj", width_, hidden_), activation_};
    return layer;
  }

  int64_t width_ = 0, heads_ = 0, hidden_ = 0;
  double eps_ = 0;
  Activation activation_{};
  bool scaled_ = true, scaled_by_layer_ = false;
  std::vector<Layer> layers_;
};

}  // namespace

LH_REGISTER(HubFamilies, "gpt2", "GPT-2 and kin, as the hub has them",
            [](HubSource& source) { return std::make_unique<Gpt2>(source); });

}  // namespace longhaul
