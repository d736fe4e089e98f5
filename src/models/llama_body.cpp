#include "models/llama_body.h"

#include "methods/log_n.h"
#include "methods/planned_encoding.h"
#include "nn/attention_block.h"
#include "nn/mlp.h"

namespace longhaul {

namespace {

class LlamaModel : public HubModel {
 public:
  LlamaModel(HubSource& source, const LlamaShape& shape) : HubModel(source), shape_(shape) {
    embedding_name_ = "model.embed_tokens.weight";
    embedding_ = add_matrix(embedding_name_, {shape.vocab, shape.sizes.width});
    for (int64_t i = 0; i < shape.layers; ++i) layers_.push_back(make_layer(i));
    set_head(rms_norm("model.norm", shape.sizes.width, shape.eps), "lm_head", shape.tied);
    encoding_ = rotary(shape.rope, source.dtype);
    if (shape.log_n)
      encoding_ = std::make_unique<PlannedEncoding>(std::move(encoding_), log_n_plan(shape.max_positions, true, false));
    fill_info();
    finish(source, shape.family);
  }

  void layer(int64_t i, Stream& stream, const Pass& pass) const override {
    const Layer& w = layers_[static_cast<size_t>(i)];
    const Tensor x = stream.x + attention_block(stream.x, w.attention, *encoding_, i, pass, compute_);
    stream.x =
        x + (w.experts ? mixture(normalize(x, w.norm), *w.experts, compute_) : gated_mlp(x, w.norm, w.mlp, compute_));
  }

 private:
  struct Layer {
    AttentionWeights attention;
    Norm norm;
    GatedMlp mlp;
    std::optional<Experts> experts;
  };

  bool is_sparse(int64_t i) const { return !shape_.sparse.empty() && shape_.sparse[static_cast<size_t>(i)]; }

  Layer make_layer(int64_t i) {
    const std::string p = "model.layers." + std::to_string(i) + ".";
    Layer layer;
    layer.attention = make_attention(p, i);
    layer.norm = rms_norm(p + "post_attention_layernorm", shape_.sizes.width, shape_.eps);
    if (is_sparse(i))
      layer.experts = make_experts(p);
    else
      layer.mlp = make_mlp(p + "mlp.");
    return layer;
  }

  AttentionWeights make_attention(const std::string& p, int64_t i) {
    const auto [width, heads, kv_heads, size] = shape_.sizes;
    const std::string a = p + "self_attn.";
    AttentionWeights w;
    w.norm = rms_norm(p + "input_layernorm", width, shape_.eps);
    const std::vector<Rows> parts = {
        {a + "q_proj", heads * size}, {a + "k_proj", kv_heads * size}, {a + "v_proj", kv_heads * size}};
    w.qkv = shape_.fused ? linear(a + "qkv_proj", (heads + 2 * kv_heads) * size, width, shape_.qkv_bias)
                         : stack(a + "qkv_proj", parts, width, shape_.qkv_bias);
    if (shape_.head_norms) {
      w.q_norm = rms_norm(a + "q_norm", size, shape_.eps);
      w.k_norm = rms_norm(a + "k_norm", size, shape_.eps);
    }
    w.out = linear(a + "o_proj", width, heads * size, shape_.out_bias);
    w.heads = heads, w.kv_heads = kv_heads, w.head_dim = size;
    if (!shape_.windows.empty()) w.window = shape_.windows[static_cast<size_t>(i)];
    return w;
  }

  GatedMlp make_mlp(const std::string& p) {
    const int64_t width = shape_.sizes.width, hidden = shape_.hidden;
    const std::vector<Rows> parts = {{p + "gate_proj", hidden}, {p + "up_proj", hidden}};
    return {shape_.fused ? linear(p + "gate_up_proj", 2 * hidden, width, shape_.mlp_bias)
                         : stack(p + "gate_up_proj", parts, width, shape_.mlp_bias),
            linear(p + "down_proj", width, hidden, shape_.mlp_bias), shape_.activation};
  }

  Experts make_experts(const std::string& p) {
    const ExpertNames& names = shape_.names;
    const int64_t width = shape_.sizes.width, hidden = shape_.expert_hidden;
    std::vector<std::string> both, down;
    for (int64_t e = 0; e < shape_.experts; ++e) {
      const std::string expert = p + names.experts + std::to_string(e) + ".";
      both.push_back(expert + names.gate + ".weight");
      both.push_back(expert + names.up + ".weight");
      down.push_back(expert + names.down + ".weight");
    }
    return {router(p + names.router, shape_.experts, width),
            stack_experts(p + "mlp.experts.gate_up_proj", both, {shape_.experts, 2 * hidden, width}, 2),
            stack_experts(p + "mlp.experts.down_proj", down, {shape_.experts, width, hidden}),
            shape_.chosen,
            shape_.normalize_shares,
            shape_.activation};
  }

  void fill_info() {
    info_.position = "rope:" + shape_.rope.type;
    info_.layers = shape_.layers;
    info_.heads = shape_.sizes.heads;
    info_.kv_heads = shape_.sizes.kv_heads;
    info_.head_dim = shape_.sizes.head_dim;
    info_.hidden = shape_.experts ? shape_.expert_hidden : shape_.hidden;
    info_.mlp_matrices = 3 * (shape_.experts ? shape_.chosen : 1);
    info_.trained_length = shape_.max_positions;
    info_.windows = shape_.windows;
  }

  LlamaShape shape_;
  std::vector<Layer> layers_;
};

}  // namespace

LlamaShape read_llama(HubSource& source, const std::string& family, const LlamaDefaults& defaults) {
  JsonReader& config = source.config;
  LlamaShape shape;
  shape.family = family;
  shape.vocab = size_or(config, "vocab_size", defaults.vocab);
  shape.hidden = size_or(config, "intermediate_size", defaults.hidden);
  shape.layers = size_or(config, "num_hidden_layers", defaults.layers, kMostParts);
  shape.max_positions = size_or(config, "max_position_embeddings", defaults.max_positions);
  shape.sizes = read_heads(config, defaults.width, defaults.heads, defaults.kv_heads, defaults.head_dim);
  shape.eps = positive_or(config, "rms_norm_eps", defaults.eps);
  shape.activation = activation_or(config, "hidden_act", "silu");
  shape.tied = config.boolean_or("tie_word_embeddings", false);
  shape.rope = read_rope(config, defaults.rope, shape.sizes.head_dim, shape.max_positions);
  return shape;
}

std::unique_ptr<Model> make_llama(HubSource& source, const LlamaShape& shape) {
  return std::make_unique<LlamaModel>(source, shape);
}

}  // namespace longhaul
