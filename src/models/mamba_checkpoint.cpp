#include "models/mamba_checkpoint.h"

#include "base/error.h"

namespace longhaul {

namespace {

constexpr const char* kEmbedding = "backbone.embedding.weight";

// A setting that Hugging Face's classes have in one form only.
void only(JsonReader& config, const std::string& key, const Json& value) {
  if (!config.is_set(key)) return;
  const Json& found = config.value(key);
  const bool same =
      found.is_number() && value.is_number() ? found.get<double>() == value.get<double>() : found == value;
  if (!same) config.refuse(key, value.dump() + ": Hugging Face's Mamba classes have no other");
}

Json common_config(JsonReader& config, int64_t width, int64_t layers, int64_t rows) {
  only(config, "rms_norm", true);
  config.ignore("fused_add_norm");  // how it is computed, not what
  const int64_t multiple = config.integer_or("pad_vocab_size_multiple", 8, 1), vocab = config.integer("vocab_size", 1);
  const int64_t padded = (vocab + multiple - 1) / multiple * multiple;
  if (padded != rows) config.refuse("vocab_size", str("the embedding's rows, ", rows, ", when padded to ", multiple));
  return {{"hidden_size", width},
          {"num_hidden_layers", layers},
          {"vocab_size", rows},
          {"layer_norm_epsilon", 1e-5},  // always, there
          {"hidden_act", "silu"},
          {"residual_in_fp32", config.boolean_or("residual_in_fp32", true)},
          {"tie_word_embeddings", config.boolean_or("tie_embeddings", true)}};
}

void add_mamba1(JsonReader& ssm, int64_t width, Json& json) {
  const int64_t expand = ssm.integer_or("expand", 2, 1);
  int64_t rank = (width + 15) / 16;  // "auto"
  if (ssm.has("dt_rank") && ssm.value("dt_rank") != "auto") rank = ssm.integer("dt_rank", 1);
  json.update({{"model_type", "mamba"},
               {"architectures", {"MambaForCausalLM"}},
               {"state_size", ssm.integer_or("d_state", 16, 1)},
               {"conv_kernel", ssm.integer_or("d_conv", 4, 1)},
               {"expand", expand},
               {"intermediate_size", expand * width},
               {"time_step_rank", rank},
               {"use_conv_bias", ssm.boolean_or("conv_bias", true)},
               {"use_bias", ssm.boolean_or("bias", false)},
               {"bos_token_id", 0},
               {"eos_token_id", 0},
               {"pad_token_id", 0}});
}

void add_mamba2(JsonReader& ssm, int64_t width, Json& json) {
  const int64_t expand = ssm.integer_or("expand", 2, 1), inner = expand * width,
                size = ssm.integer_or("headdim", 64, 1);
  only(ssm, "d_ssm", inner);
  only(ssm, "D_has_hdim", false);
  only(ssm, "rmsnorm", true);
  only(ssm, "norm_before_gate", false);
  if (inner % size != 0) ssm.refuse("headdim", str("a divisor of ", inner));
  json.update({{"model_type", "mamba2"},
               {"architectures", {"Mamba2ForCausalLM"}},
               {"state_size", ssm.integer_or("d_state", 128, 1)},
               {"conv_kernel", ssm.integer_or("d_conv", 4, 1)},
               {"expand", expand},
               {"head_dim", size},
               {"num_heads", inner / size},
               {"n_groups", ssm.integer_or("ngroups", 1, 1)},
               {"chunk_size", ssm.integer_or("chunk_size", 256, 1)},
               {"use_conv_bias", ssm.boolean_or("conv_bias", true)},
               {"use_bias", ssm.boolean_or("bias", false)},
               {"rms_norm", true}});
  if (ssm.is_set("dt_limit")) json["time_step_limit"] = ssm.value("dt_limit");
}

// Initial values, which a trained model does not need.
void ignore_initial_values(JsonReader& ssm) {
  for (const char* key : {"dt_min", "dt_max", "dt_init", "dt_scale", "dt_init_floor", "A_init_range", "conv_init"})
    ssm.ignore(key);
}

bool has_all(const Json& config, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (!config.is_object() || !config.contains(key)) return false;
  return true;
}

}  // namespace

bool is_original_mamba(const Json& config) {
  return has_all(config, {"d_model", "n_layer", "ssm_cfg"}) || has_all(config, {"dim", "n_layers", "n_groups"});
}

Json hugging_face_mamba(const Json& original, const std::string& where, int64_t rows) {
  JsonReader config(original, where);
  if (config.has("dim")) {
    config.ignore("model_type");
    const int64_t width = config.integer("dim", 1);
    Json json = common_config(config, width, config.integer("n_layers", 1), rows);
    const Json ssm = {{"ngroups", config.integer("n_groups", 1)}};
    JsonReader reader(ssm, where);
    add_mamba2(reader, width, json);
    config.finish();
    return json;
  }
  const int64_t width = config.integer("d_model", 1);
  Json json = common_config(config, width, config.integer("n_layer", 1), rows);
  only(config, "d_intermediate", 0);
  only(config, "attn_layer_idx", Json::array());
  config.ignore("attn_cfg");  // of no layer
  JsonReader ssm = config.object("ssm_cfg");
  const std::string layer = ssm.string_or("layer", "Mamba1");
  if (layer != "Mamba1" && layer != "Mamba2") ssm.refuse("layer", "Mamba1 or Mamba2");
  layer == "Mamba1" ? add_mamba1(ssm, width, json) : add_mamba2(ssm, width, json);
  ignore_initial_values(ssm);
  ssm.finish();
  config.finish();
  return json;
}

std::string hugging_face_mamba_name(const std::string& name, bool tied) {
  const std::string bare = name.starts_with("model.") ? name.substr(6) : name;
  if (bare == kEmbedding) return "backbone.embeddings.weight";
  return tied && bare == "lm_head.weight" ? "" : bare;
}

}  // namespace longhaul
