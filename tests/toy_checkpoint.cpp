#include "toy_checkpoint.h"

#include <cmath>

#include "base/error.h"
#include "base/files.h"
#include "base/rng.h"
#include "io/safetensors.h"

namespace longhaul {

namespace {

constexpr int64_t kLayers = 2, kWidth = 16, kHeads = 4, kHidden = 12, kExperts = 3;
using Shapes = std::map<std::string, std::vector<int64_t>>;

void add_linear(Shapes& shapes, const std::string& name, int64_t out, int64_t in, bool bias) {
  shapes[name + ".weight"] = {out, in};
  if (bias) shapes[name + ".bias"] = {out};
}

void add_norm(Shapes& shapes, const std::string& name, bool bias, int64_t size = kWidth) {
  shapes[name + ".weight"] = {size};
  if (bias) shapes[name + ".bias"] = {size};
}

Json llama_config(const std::string& family, int64_t kv_heads, int64_t vocab) {
  return {{"model_type", family},
          {"vocab_size", vocab},
          {"hidden_size", kWidth},
          {"intermediate_size", kHidden},
          {"num_hidden_layers", kLayers},
          {"num_attention_heads", kHeads},
          {"num_key_value_heads", kv_heads},
          {"max_position_embeddings", 32}};
}

// Llama and its kin; `size`: of a head.
ToyCheckpoint llama_like(const std::string& family, int64_t vocab, int64_t kv_heads, int64_t size, bool qkv_bias,
                         bool head_norms, const std::string& experts) {
  ToyCheckpoint toy{llama_config(family, kv_heads, vocab), {}};
  Shapes& s = toy.shapes;
  s["model.embed_tokens.weight"] = s["lm_head.weight"] = {vocab, kWidth};
  add_norm(s, "model.norm", false);
  for (int64_t i = 0; i < kLayers; ++i) {
    const std::string p = "model.layers." + std::to_string(i) + ".", a = p + "self_attn.";
    add_norm(s, p + "input_layernorm", false);
    add_norm(s, p + "post_attention_layernorm", false);
    add_linear(s, a + "q_proj", kHeads * size, kWidth, qkv_bias);
    add_linear(s, a + "k_proj", kv_heads * size, kWidth, qkv_bias);
    add_linear(s, a + "v_proj", kv_heads * size, kWidth, qkv_bias);
    add_linear(s, a + "o_proj", kWidth, kHeads * size, false);
    if (head_norms)
      for (const char* norm : {"q_norm", "k_norm"}) add_norm(s, a + norm, false, size);
    const bool mixtral = experts == "block_sparse_moe";
    if (!experts.empty()) add_linear(s, p + experts + ".gate", kExperts, kWidth, false);
    for (int64_t e = 0; e < (experts.empty() ? 1 : kExperts); ++e) {
      const std::string m = experts.empty() ? p + "mlp." : p + experts + ".experts." + std::to_string(e) + ".";
      add_linear(s, m + (mixtral ? "w1" : "gate_proj"), kHidden, kWidth, false);
      add_linear(s, m + (mixtral ? "w3" : "up_proj"), kHidden, kWidth, false);
      add_linear(s, m + (mixtral ? "w2" : "down_proj"), kWidth, kHidden, false);
    }
  }
  return toy;
}

ToyCheckpoint phi(int64_t vocab) {
  ToyCheckpoint toy{llama_config("phi", 2, vocab), {}};
  Shapes& s = toy.shapes;
  s["model.embed_tokens.weight"] = {vocab, kWidth};
  add_linear(s, "lm_head", vocab, kWidth, true);
  add_norm(s, "model.final_layernorm", true);
  for (int64_t i = 0; i < kLayers; ++i) {
    const std::string p = "model.layers." + std::to_string(i) + ".", a = p + "self_attn.";
    add_norm(s, p + "input_layernorm", true);
    for (const char* name : {"q_proj", "dense"}) add_linear(s, a + name, kWidth, kWidth, true);
    for (const char* name : {"k_proj", "v_proj"}) add_linear(s, a + name, kWidth / 2, kWidth, true);
    add_linear(s, p + "mlp.fc1", kHidden, kWidth, true);
    add_linear(s, p + "mlp.fc2", kWidth, kHidden, true);
  }
  return toy;
}

// Llama with fused matrices.
ToyCheckpoint phi3(int64_t vocab) {
  ToyCheckpoint toy = llama_like("phi3", vocab, 2, 4, false, false, "");
  for (int64_t i = 0; i < kLayers; ++i) {
    const std::string p = "model.layers." + std::to_string(i) + ".";
    for (const char* name :
         {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj"})
      toy.shapes.erase(p + name + ".weight");
    add_linear(toy.shapes, p + "self_attn.qkv_proj", 2 * kWidth, kWidth, false);
    add_linear(toy.shapes, p + "mlp.gate_up_proj", 2 * kHidden, kWidth, false);
  }
  return toy;
}

ToyCheckpoint gpt_neox(int64_t vocab) {
  ToyCheckpoint toy{llama_config("gpt_neox", kHeads, vocab), {}};
  toy.config.erase("num_key_value_heads");
  toy.config["rotary_pct"] = 0.5;
  Shapes& s = toy.shapes;
  s["gpt_neox.embed_in.weight"] = s["embed_out.weight"] = {vocab, kWidth};
  add_norm(s, "gpt_neox.final_layer_norm", true);
  for (int64_t i = 0; i < kLayers; ++i) {
    const std::string p = "gpt_neox.layers." + std::to_string(i) + ".";
    for (const char* norm : {"input_layernorm", "post_attention_layernorm"}) add_norm(s, p + norm, true);
    add_linear(s, p + "attention.query_key_value", 3 * kWidth, kWidth, true);
    add_linear(s, p + "attention.dense", kWidth, kWidth, true);
    add_linear(s, p + "mlp.dense_h_to_4h", kHidden, kWidth, true);
    add_linear(s, p + "mlp.dense_4h_to_h", kWidth, kHidden, true);
  }
  return toy;
}

// Gemma 1, 2, 3 and OLMo 2, by what they have beside or instead of Llama's norms.
ToyCheckpoint gemma_like(const std::string& family, int64_t vocab) {
  const bool olmo = family == "olmo2", third = family == "gemma3_text", first = family == "gemma";
  ToyCheckpoint toy = llama_like(family, vocab, 2, 4, false, olmo || third, "");
  Shapes& s = toy.shapes;
  if (!olmo) {
    s.erase("lm_head.weight");
    toy.config["head_dim"] = 4;
  }
  if (third) toy.config.update({{"sliding_window", 5}, {"sliding_window_pattern", 2}, {"query_pre_attn_scalar", 3}});
  for (int64_t i = 0; i < kLayers; ++i) {
    const std::string p = "model.layers." + std::to_string(i) + ".";
    if (olmo) {
      s.erase(p + "input_layernorm.weight");
      s[p + "self_attn.q_norm.weight"] = {kWidth};
      s[p + "self_attn.k_norm.weight"] = {kWidth / 2};
    } else if (!first) {
      add_norm(s, p + "pre_feedforward_layernorm", false);
    }
    if (!first) add_norm(s, p + "post_feedforward_layernorm", false);
  }
  return toy;
}

// As the 350M model: norms behind, a narrower embedding.
ToyCheckpoint opt(int64_t vocab) {
  ToyCheckpoint toy{{{"model_type", "opt"},
                     {"vocab_size", vocab},
                     {"hidden_size", kWidth},
                     {"num_hidden_layers", kLayers},
                     {"num_attention_heads", kHeads},
                     {"ffn_dim", kHidden},
                     {"max_position_embeddings", 32},
                     {"do_layer_norm_before", false},
                     {"word_embed_proj_dim", 8}},
                    {}};
  Shapes& s = toy.shapes;
  const std::string root = "model.decoder.";
  s[root + "embed_tokens.weight"] = {vocab, 8};
  s[root + "embed_positions.weight"] = {34, kWidth};
  add_linear(s, root + "project_in", kWidth, 8, false);
  add_linear(s, root + "project_out", 8, kWidth, false);
  for (int64_t i = 0; i < kLayers; ++i) {
    const std::string p = root + "layers." + std::to_string(i) + ".";
    for (const char* norm : {"self_attn_layer_norm", "final_layer_norm"}) add_norm(s, p + norm, true);
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"})
      add_linear(s, p + "self_attn." + name, kWidth, kWidth, true);
    add_linear(s, p + "fc1", kHidden, kWidth, true);
    add_linear(s, p + "fc2", kWidth, kHidden, true);
  }
  return toy;
}

ToyCheckpoint gptj(int64_t vocab) {
  ToyCheckpoint toy{{{"model_type", "gptj"},
                     {"vocab_size", vocab},
                     {"n_embd", kWidth},
                     {"n_layer", kLayers},
                     {"n_head", kHeads},
                     {"n_positions", 32},
                     {"rotary_dim", 2}},
                    {}};
  Shapes& s = toy.shapes;
  s["transformer.wte.weight"] = {vocab, kWidth};
  add_linear(s, "lm_head", vocab, kWidth, true);
  add_norm(s, "transformer.ln_f", true);
  for (int64_t i = 0; i < kLayers; ++i) {
    const std::string p = "transformer.h." + std::to_string(i) + ".";
    add_norm(s, p + "ln_1", true);
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"})
      add_linear(s, p + "attn." + name, kWidth, kWidth, false);
    add_linear(s, p + "mlp.fc_in", 4 * kWidth, kWidth, true);
    add_linear(s, p + "mlp.fc_out", kWidth, 4 * kWidth, true);
  }
  return toy;
}

ToyCheckpoint mpt(int64_t vocab) {
  ToyCheckpoint toy{{{"model_type", "mpt"},
                     {"vocab_size", vocab},
                     {"d_model", kWidth},
                     {"n_layers", kLayers},
                     {"n_heads", kHeads},
                     {"max_seq_len", 32},
                     {"attn_config", {{"clip_qkv", 0.5}, {"alibi_bias_max", 4}}}},
                    {}};
  Shapes& s = toy.shapes;
  s["transformer.wte.weight"] = {vocab, kWidth};
  add_norm(s, "transformer.norm_f", false);
  for (int64_t i = 0; i < kLayers; ++i) {
    const std::string p = "transformer.blocks." + std::to_string(i) + ".";
    for (const char* norm : {"norm_1", "norm_2"}) add_norm(s, p + norm, false);
    add_linear(s, p + "attn.Wqkv", 3 * kWidth, kWidth, false);
    add_linear(s, p + "attn.out_proj", kWidth, kWidth, false);
    add_linear(s, p + "ffn.up_proj", 4 * kWidth, kWidth, false);
    add_linear(s, p + "ffn.down_proj", kWidth, 4 * kWidth, false);
  }
  return toy;
}

// BLOOM, and Falcon in its form with groups of heads and two norms, which call their parts alike.
ToyCheckpoint bloom_like(const std::string& family, int64_t vocab) {
  const bool bloom = family == "bloom";
  ToyCheckpoint toy{{{"model_type", family},
                     {"vocab_size", vocab},
                     {"hidden_size", kWidth},
                     {"num_hidden_layers", kLayers},
                     {"num_attention_heads", kHeads}},
                    {}};
  if (!bloom)
    toy.config.update({{"new_decoder_architecture", true}, {"num_kv_heads", 2}, {"max_position_embeddings", 32}});
  Shapes& s = toy.shapes;
  s["transformer.word_embeddings.weight"] = {vocab, kWidth};
  add_norm(s, "transformer.ln_f", true);
  if (bloom) add_norm(s, "transformer.word_embeddings_layernorm", true);
  for (int64_t i = 0; i < kLayers; ++i) {
    const std::string p = "transformer.h." + std::to_string(i) + ".";
    add_norm(s, p + (bloom ? "input_layernorm" : "ln_attn"), true);
    add_norm(s, p + (bloom ? "post_attention_layernorm" : "ln_mlp"), true);
    add_linear(s, p + "self_attention.query_key_value", (bloom ? 3 : 2) * kWidth, kWidth, bloom);
    add_linear(s, p + "self_attention.dense", kWidth, kWidth, bloom);
    add_linear(s, p + "mlp.dense_h_to_4h", 4 * kWidth, kWidth, bloom);
    add_linear(s, p + "mlp.dense_4h_to_h", kWidth, 4 * kWidth, bloom);
  }
  return toy;
}

ToyCheckpoint gpt2(int64_t vocab) {
  ToyCheckpoint toy{{{"model_type", "gpt2"},
                     {"vocab_size", vocab},
                     {"n_embd", kWidth},
                     {"n_layer", kLayers},
                     {"n_head", kHeads},
                     {"n_positions", 32}},
                    {}};
  Shapes& s = toy.shapes;
  s["transformer.wte.weight"] = {vocab, kWidth};
  s["transformer.wpe.weight"] = {32, kWidth};
  add_norm(s, "transformer.ln_f", true);
  for (int64_t i = 0; i < kLayers; ++i) {
    const std::string p = "transformer.h." + std::to_string(i) + ".";
    for (const char* norm : {"ln_1", "ln_2"}) add_norm(s, p + norm, true);
    auto conv1d = [&](const std::string& name, int64_t in, int64_t out) {
      s[p + name + ".weight"] = {in, out};
      s[p + name + ".bias"] = {out};
    };
    conv1d("attn.c_attn", kWidth, 3 * kWidth);
    conv1d("attn.c_proj", kWidth, kWidth);
    conv1d("mlp.c_fc", kWidth, 4 * kWidth);
    conv1d("mlp.c_proj", 4 * kWidth, kWidth);
  }
  return toy;
}

}  // namespace

std::vector<std::string> toy_families() {
  return {"llama", "mistral", "qwen2", "qwen3",  "mixtral", "qwen3_moe", "phi",         "phi3",  "gpt_neox", "gpt2",
          "gptj",  "bloom",   "mpt",   "falcon", "gemma",   "gemma2",    "gemma3_text", "olmo2", "opt"};
}

ToyCheckpoint toy_checkpoint(const std::string& family, int64_t vocab) {
  if (family == "phi3") return phi3(vocab);
  if (family == "phi") return phi(vocab);
  if (family == "gpt_neox") return gpt_neox(vocab);
  if (family == "gpt2") return gpt2(vocab);
  if (family == "gptj") return gptj(vocab);
  if (family == "opt") return opt(vocab);
  if (family == "olmo2" || family.starts_with("gemma")) return gemma_like(family, vocab);
  if (family == "mpt") return mpt(vocab);
  if (family == "bloom" || family == "falcon") return bloom_like(family, vocab);
  const bool mixtral = family == "mixtral", qwen3_moe = family == "qwen3_moe", qwen3 = family == "qwen3" || qwen3_moe;
  check(mixtral || qwen3 || family == "llama" || family == "mistral" || family == "qwen2", "no toy of ", family);
  ToyCheckpoint toy = llama_like(family, vocab, 2, qwen3 ? 6 : 4, family == "qwen2", qwen3,
                                 mixtral     ? "block_sparse_moe"
                                 : qwen3_moe ? "mlp"
                                             : "");
  if (qwen3) toy.config["head_dim"] = 6;
  if (mixtral) toy.config["num_local_experts"] = kExperts;
  if (qwen3_moe)
    toy.config.update({{"num_experts", kExperts}, {"num_experts_per_tok", 2}, {"moe_intermediate_size", kHidden}});
  return toy;
}

void ToyCheckpoint::write(const std::string& folder) const {
  make_folders(folder);
  write_json(path_join(folder, "config.json"), config);
  std::vector<std::vector<float>> values;
  std::vector<NamedTensor> tensors;
  values.reserve(shapes.size());
  for (const auto& [name, shape] : shapes) {
    int64_t count = 1;
    for (int64_t size : shape) count *= size;
    Rng rng(5, stream_of(name), 0);
    values.emplace_back();
    for (int64_t i = 0; i < count; ++i)
      values.back().push_back(static_cast<float>((shape.size() == 1 ? 1 : 0) + 0.3 * rng.normal()));
    tensors.push_back({name, DType::f32, shape, std::as_bytes(std::span(values.back()))});
  }
  write_safetensors(path_join(folder, "model.safetensors"), tensors);
}

}  // namespace longhaul
