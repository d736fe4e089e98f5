// GPTJForCausalLM: attention and MLP side by side on one norm of the input; interleaved rotary pairs in the first rotary_dim
// dimensions of each head; no biases in attention, biases elsewhere, of the logits too. The class's table of angles ends at
// n_positions; here they are computed, for any position, so no text is too long.
#include "models/hub_config.h"
#include "models/hub_model.h"
#include "nn/attention_block.h"
#include "nn/mlp.h"
#include "pos/rotation.h"

namespace longhaul {

namespace {

class GptJ : public HubModel {
 public:
  explicit GptJ(HubSource& source) : HubModel(source) {
    JsonReader& config = source.config;
    width_ = size_or_either(config, "n_embd", "hidden_size", 4096);
    heads_ = heads_or_either(config, "n_head", "num_attention_heads", 16, width_);
    hidden_ = size_or(config, "n_inner", 4 * width_);
    eps_ = positive_or(config, "layer_norm_epsilon", 1e-5);
    activation_ = activation_or(config, "activation_function", "gelu_new");
    config.ignore("n_ctx");  // n_positions again, in old files
    config.ignore("rotary");
    config.ignore("scale_attn_weights");  // read by no version of the class: the scale is always 1 / sqrt(head size)
    info_.layers = size_or_either(config, "n_layer", "num_hidden_layers", 28, kMostParts);
    info_.trained_length = size_or_either(config, "n_positions", "max_position_embeddings", 2048);
    info_.heads = info_.kv_heads = heads_, info_.head_dim = width_ / heads_;
    info_.hidden = hidden_;
    info_.position = "rope:default";

    embedding_name_ = "transformer.wte.weight";
    embedding_ = add_matrix(embedding_name_, {size_or(config, "vocab_size", 50400), width_});
    for (int64_t i = 0; i < info_.layers; ++i) layers_.push_back(make_layer(i));
    set_head(layer_norm("transformer.ln_f", width_, eps_), "lm_head", config.boolean_or("tie_word_embeddings", false),
             /*bias=*/true);
    encoding_ = rotary(read_rotary(config), source.dtype);
    finish(source, "gptj");
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

  // theta is no key of this class's.
  Rope read_rotary(JsonReader& config) const {
    Rope rope;
    rope.type = "default";
    rope.layout = RotaryLayout::interleaved;
    rope.base.max_positions = info_.trained_length;
    rope.base.dim = size_or(config, "rotary_dim", config.has("rotary_dim") ? info_.head_dim : 64);
    if (rope.base.dim % 2 != 0 || rope.base.dim > info_.head_dim)
      config.refuse("rotary_dim", str("an even number up to the head size ", info_.head_dim));
    rope.policy = fixed_rope(rotary_frequencies(rope.base.theta, rope.base.dim));
    rope.facts = {rope_fact("rope_theta", rope.base.theta, "GPT-J"),
                  rope_fact("rotary dimensions", static_cast<double>(rope.base.dim),
                            config.has("rotary_dim") ? "rotary_dim" : "default")};
    return rope;
  }

  Layer make_layer(int64_t i) {
    const std::string p = "transformer.h." + std::to_string(i) + ".", a = p + "attn.";
    Layer layer;
    AttentionWeights& w = layer.attention;
    w.heads = w.kv_heads = heads_, w.head_dim = width_ / heads_;
    w.norm = layer_norm(p + "ln_1", width_, eps_);
    w.qkv = stack(a + "qkv_proj", {{a + "q_proj", width_}, {a + "k_proj", width_}, {a + "v_proj", width_}}, width_);
    w.out = linear(a + "out_proj", width_, width_);
    layer.mlp = {linear(p + "mlp.fc_in", hidden_, width_, true), linear(p + "mlp.fc_out", width_, hidden_, true),
                 activation_};
    return layer;
  }

  int64_t width_ = 0, heads_ = 0, hidden_ = 0;
  double eps_ = 0;
  Activation activation_{};
  std::vector<Layer> layers_;
};

}  // namespace

LH_REGISTER(HubFamilies, "gptj", "GPT-J", [](HubSource& source) { return std::make_unique<GptJ>(source); });

}  // namespace longhaul
