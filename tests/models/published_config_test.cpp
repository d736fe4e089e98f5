// Keys that published config.json files hold beside the sizes, by family: such a file loads as it is.
#include <gtest/gtest.h>

#include "models/models.h"
#include "pos/rotary_encoding.h"
#include "support.h"
#include "toy_checkpoint.h"

namespace longhaul {
namespace {

struct Published {
  const char *family, *like, *keys;
};

const Published kPublished[] = {
    {"llama", "SmolLM2", R"({"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
      "bos_token_id": 0, "eos_token_id": [0, 2], "hidden_act": "silu", "initializer_range": 0.041, "mlp_bias": false,
      "is_llama_config": true, "pad_token_id": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_theta": 100000,
      "rope_interleaved": false, "rope_scaling": null, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
      "transformers.js_config": {"dtype": "q4"}, "transformers_version": "4.42.3", "use_cache": true})"},
    {"llama", "Llama 1", R"({"architectures": ["LLaMAForCausalLM"], "max_sequence_length": 2048, "pad_token_id": -1})"},
    {"llama", "Yarn-Llama-2", R"({"auto_map": {"AutoConfig": "configuration_llama.LlamaConfig"}, "rope_scaling":
      {"factor": 4.0, "finetuned": true, "original_max_position_embeddings": 8, "type": "yarn"}})"},
    {"qwen2", "Qwen2.5", R"({"max_window_layers": 24, "rope_theta": 1000000.0, "sliding_window": 32768,
      "use_mrope": false, "use_sliding_window": false})"},
    {"qwen2", "Qwen2.5 of transformers 5", R"({"dtype": "bfloat16", "layer_types": ["full_attention", "full_attention"],
      "rope_parameters": {"rope_theta": 1000000.0, "rope_type": "default"}, "sliding_window": null})"},
    {"mistral", "Mistral 7B", R"({"attention_dropout": 0.0, "rope_theta": 10000.0, "sliding_window": 4096})"},
    {"mixtral", "Mixtral 8x7B", R"({"num_experts_per_tok": 2, "output_router_logits": false, "sliding_window": null,
      "rope_theta": 1000000.0, "router_aux_loss_coef": 0.02})"},
    {"phi", "Phi 2", R"({"embd_pdrop": 0.0, "resid_pdrop": 0.1, "qk_layernorm": false, "hidden_act": "gelu_new"})"},
    {"phi3", "Phi 4 mini", R"({"attention_bias": false, "embd_pdrop": 0.0, "full_attn_mod": 1, "interpolate_factor": 1,
      "lm_head_bias": false, "mlp_bias": false, "original_max_position_embeddings": 16, "partial_rotary_factor": 0.5,
      "resid_pdrop": 0.0, "rope_scaling": {"long_factor": [4], "short_factor": [1], "type": "longrope"},
      "sliding_window": 262144})"},
    {"gpt2", "DistilGPT2", R"({"_num_labels": 1, "architectures": ["GPT2LMHeadModel"], "gradient_checkpointing": false,
      "id2label": {"0": "LABEL_0"}, "n_ctx": 32, "resid_pdrop": 0.1, "summary_first_dropout": 0.1,
      "summary_use_proj": true, "task_specific_params": {"text-generation": {"do_sample": true}}})"},
    {"gpt_neox", "GPT-NeoX-20B", R"({"attention_probs_dropout_prob": 0, "hidden_act": "gelu_fast", "rope_theta": 10000,
      "rotary_emb_base": 10000, "partial_rotary_factor": 0.5, "rotary_pct": 0.5, "use_parallel_residual": true})"},
    {"gptj", "GPT-J-6B", R"({"rotary": true, "scale_attn_weights": true, "tie_word_embeddings": false})"},
    {"falcon", "Falcon-11B", R"({"activation": "gelu", "alibi": false, "bias": false, "ff_factor": 4,
      "apply_residual_connection_post_layernorm": false, "multi_query": true, "parallel_attn": true,
      "num_ln_in_parallel_attn": 2, "rope_scaling": null, "rope_theta": 500042.0})"},
    {"bloom", "BLOOM-560M", R"({"attention_softmax_in_fp32": true, "bias_dropout_fusion": true, "n_inner": null,
      "masked_softmax_fusion": true, "offset_alibi": 100, "pretraining_tp": 1, "skip_bias_add": true,
      "skip_bias_add_qkv": false, "slow_but_exact": false, "unk_token_id": 0})"},
    {"mpt", "MPT-7B", R"({"architectures": ["MPTForCausalLM"], "attn_config": {"alibi": true, "alibi_bias_max": 8,
      "attn_impl": "torch", "attn_pdrop": 0, "attn_type": "multihead_attention", "attn_uses_sequence_id": false,
      "clip_qkv": null, "prefix_lm": false, "qk_ln": false, "softmax_scale": null}, "emb_pdrop": 0,
      "embedding_fraction": 1.0, "expansion_ratio": 4, "init_config": {"name": "kaiming_normal_"}, "init_device": "cpu",
      "learned_pos_emb": true, "logit_scale": null, "no_bias": true, "norm_type": "low_precision_layernorm",
      "tokenizer_name": "EleutherAI/gpt-neox-20b", "verbose": 0})"},
    {"opt", "OPT-350M", R"({"_remove_final_layer_norm": false, "activation_dropout": 0.0, "dropout": 0.1,
      "init_std": 0.02, "layerdrop": 0.0, "prefix": "</s>", "learned_embeddings": true, "scale_embeddings": false})"},
    {"gemma", "Gemma 1", R"({"hidden_act": "gelu", "hidden_activation": null, "attention_bias": false})"},
    {"gemma2", "Gemma 2", R"({"cache_implementation": "hybrid", "hidden_act": "gelu_pytorch_tanh",
      "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "query_pre_attn_scalar": 4,
      "sliding_window": 4096, "sliding_window_size": 4096})"},
    {"gemma3_text", "Gemma 3 of transformers 5", R"({"_sliding_window_pattern": 6, "use_bidirectional_attention": false,
      "layer_types": ["sliding_attention", "full_attention"], "rope_parameters": {
      "full_attention": {"factor": 8.0, "rope_theta": 1000000.0, "rope_type": "linear"},
      "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"}}})"},
    {"olmo2", "OLMo 2", R"({"attention_bias": false, "rope_scaling": null, "rope_theta": 500000})"},
    {"qwen3_moe", "Qwen3-30B-A3B", R"({"decoder_sparse_step": 1, "max_window_layers": 48, "mlp_only_layers": [],
      "norm_topk_prob": true, "output_router_logits": false, "router_aux_loss_coef": 0.001, "sliding_window": null,
      "use_sliding_window": false})"}};

class PublishedConfig : public testing::Test {
 protected:
  // What loading says with these keys beside, or in place of, the toy's.
  std::string message(const std::string& family, const Json& keys, const std::vector<std::string>& overrides = {}) {
    ToyCheckpoint toy = toy_checkpoint(family);
    toy.config.update(keys);
    toy.write(folder_.path());
    LoadOptions options;
    options.overrides = overrides;
    return error_of([&] { model_ = load_model(folder_.path(), options); });
  }
  TemporaryFolder folder_;
  std::unique_ptr<Model> model_;
};

TEST_F(PublishedConfig, LoadsAsItIs) {
  for (const auto& [family, like, keys] : kPublished)
    EXPECT_EQ(message(family, parse_json(keys, like)), "no error") << like;
}

TEST_F(PublishedConfig, WhatIsNotKnownIsLeftOutButNoMisspelling) {
  EXPECT_EQ(message("llama", {{"colour_of_the_logo", "red"}, {"weight_of_the_logo", nullptr}, {"weight_dropout", 1}}),
            "no error");
  EXPECT_TRUE(
      contains(message("llama", {{"hiden_size", nullptr}}), "unknown key 'hiden_size' (did you mean 'hidden_size'?)"));
  EXPECT_TRUE(contains(message("llama", {{"colour_of_the_logo", "red"}, {"rope_scalng", {{"type", "linear"}}}}),
                       "config.json: unknown key 'rope_scalng' (did you mean 'rope_scaling'?)"));
  EXPECT_TRUE(contains(message("llama", {{"rope_scaling", {{"type", "linear"}, {"factor", 2}, {"colour", 1}}}}),
                       "config.json: unknown key 'rope_scaling.colour'"));
}

TEST_F(PublishedConfig, AnOverrideThatNobodyReadsIsAnError) {
  for (const char* change : {"use_dynamic_ntk=true", "colour_of_the_logo=null", "torch_dtype=float64", "colour.of=1",
                             "text_config.rope_theta=1e6"}) {
    const std::string key = std::string(change).substr(0, std::string(change).find_first_of(".="));
    EXPECT_TRUE(
        contains(message("llama", Json::object(), {"rms_norm_eps=1e-6", change}), str("nothing reads '", key, "'")))
        << change;
  }
  EXPECT_TRUE(contains(message("mistral", Json::object(), {"slidin_window=null"}), "did you mean 'sliding_window'?"));
  EXPECT_TRUE(contains(message("gemma2", Json::object(), {"hidden_act=relu"}), "nothing reads 'hidden_act'"));
  EXPECT_TRUE(contains(message("qwen2", Json::object(), {"sliding_window=5"}), "nothing reads 'sliding_window'"));
  EXPECT_EQ(message("qwen2", Json::object(), {"sliding_window=5", "use_sliding_window=true"}), "no error");
  EXPECT_TRUE(contains(message("falcon", {{"alibi", true}}, {"rope_theta=5"}), "nothing reads 'rope_theta'"));
  EXPECT_TRUE(contains(message("falcon", Json::object(), {"apply_residual_connection_post_layernorm=true"}),
                       "nothing reads 'apply_residual_connection_post_layernorm'"));
  EXPECT_TRUE(contains(message("mpt", Json::object(), {"attn_config.clip_qvk=6"}), "did you mean 'clip_qkv'?"));
  EXPECT_TRUE(contains(message("llama", {{"rope_scaling", {{"type", "linear"}, {"factor", 2}}}},
                               {"rope_scaling.original_max_position_embeddings=8"}),
                       "nothing reads 'rope_scaling.original_max_position_embeddings'"));
  EXPECT_TRUE(contains(message("mistral", Json::object(), {"slidin_window="}),
                       "--hf-overrides: slidin_window=: config.json has no such key"));
  EXPECT_EQ(message("mistral", {{"torch_dtype", "float32"}},
                    {"sliding_window=null", "rope_scaling.type=linear", "rope_scaling.factor=2", "torch_dtype="}),
            "no error");
}

TEST_F(PublishedConfig, TwoNamesOfOneSettingMustAgree) {
  EXPECT_EQ(message("gpt2", Json::object(), {"num_attention_heads=4", "n_head=4"}), "no error");
  EXPECT_TRUE(contains(message("gpt2", Json::object(), {"num_attention_heads=8", "n_head=4"}),
                       "num_attention_heads: wanted what n_head says too, 4, found 8"));
  EXPECT_TRUE(contains(message("gpt_neox", Json::object(), {"rotary_emb_base=10000", "rope_theta=1000000"}),
                       "rope_theta: wanted what rotary_emb_base says too, 10000, found 1000000"));
  const Json both = {{"rope_theta", 1e6}, {"rope_parameters", {{"rope_theta", 1e6}, {"rope_type", "default"}}}};
  EXPECT_EQ(message("llama", both), "no error");
  EXPECT_TRUE(contains(message("llama", both, {"rope_theta=5e6"}),
                       "rope_theta: wanted what rope_parameters.rope_theta says too, 1000000.0, found 5000000"));
  Json all = both;
  all["rope_scaling"] = {{"type", "linear"}, {"factor", 4}};
  EXPECT_TRUE(contains(message("llama", all), "rope_scaling: wanted what rope_parameters."));
}

// transformers 4's spelling of the rotary settings or 5's.
TEST_F(PublishedConfig, OverridesOfRotarySettingsAreInTheSpellingOfTheFile) {
  const Json five = {{"rope_parameters", {{"rope_theta", 1e6}, {"rope_type", "linear"}, {"factor", 2}}}};
  const Json four = {{"rope_scaling", {{"type", "linear"}, {"factor", 2}}}};
  for (const char* change :
       {"rope_scaling.factor=8", "rope_scaling=null", R"(rope_scaling={"type":"linear","factor":8})"})
    EXPECT_EQ(message("llama", five, {change}), str("--hf-overrides: ", change,
                                                    ": config.json names these settings "
                                                    "rope_parameters (rope_theta, rope_type, factor)"));
  EXPECT_EQ(message("llama", four, {"rope_parameters.factor=8"}),
            "--hf-overrides: rope_parameters.factor=8: config.json names these settings rope_scaling (type, factor)");
  const auto frequency = [&](const Json& keys, const std::vector<std::string>& overrides) {
    EXPECT_EQ(message("llama", keys, overrides), "no error");
    return dynamic_cast<const RotaryEncoding&>(model_->encoding()).rope().policy->frequencies(1)[0];
  };
  EXPECT_EQ(frequency(five, {"rope_parameters.factor=8"}), 0.125);
  EXPECT_EQ(frequency(four, {"rope_scaling.factor=8"}), 0.125);
  EXPECT_EQ(frequency(four, {"rope_scaling="}), 1);
  EXPECT_EQ(frequency(Json::object(), {"rope_parameters.rope_type=linear", "rope_parameters.factor=8"}), 0.125);
}

TEST_F(PublishedConfig, WhatTheClassDoesNotComputeIsRefused) {
  const std::pair<const char*, const char*> flags[] = {{"qwen2", "use_mrope"},   {"llama", "rope_interleaved"},
                                                       {"phi3", "lm_head_bias"}, {"mistral", "attention_bias"},
                                                       {"mixtral", "mlp_bias"},  {"opt", "scale_embeddings"}};
  for (const auto& [family, key] : flags)
    EXPECT_TRUE(contains(message(family, {{key, true}}), str(key, ": wanted false"))) << family;
  EXPECT_TRUE(contains(message("llama", {{"layer_types", {"full_attention", "sliding_attention"}}}),
                       "layer_types: wanted full_attention for each layer"));
  for (const char* family : {"mistral", "qwen3_moe", "gemma2"})
    EXPECT_TRUE(contains(message(family, {{"num_hidden_layers", 1 << 30}}), "wanted an integer up to 65536")) << family;
  EXPECT_TRUE(contains(message("mixtral", {{"num_local_experts", 1 << 29}}), "wanted an integer up to 65536"));
  EXPECT_TRUE(contains(message("bloom", {{"n_inner", 32}}), "n_inner: wanted null or 64, found 32"));
}

// The reference's Mixtral, Phi 3 and Qwen 3 with experts give all layers one mask; Mistral is Ministral there once it has the key.
TEST_F(PublishedConfig, LayerTypesCountWhereTheClassReadsThem) {
  const auto windows = [&](const std::string& family, const char* first) {
    Json keys = {{"sliding_window", 7}, {"layer_types", {first, "sliding_attention"}}};
    if (family == "qwen3_moe") keys["use_sliding_window"] = true;
    EXPECT_EQ(message(family, keys), "no error") << family;
    return model_->info().windows;
  };
  const std::string warning = "layer_types is left out: the class has its window, 7, in all layers";
  for (const char* family : {"mixtral", "phi3", "qwen3_moe"}) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(windows(family, "full_attention"), (std::vector<int64_t>{7, 7})) << family;
    EXPECT_TRUE(contains(testing::internal::GetCapturedStderr(), warning)) << family;
    testing::internal::CaptureStderr();
    EXPECT_EQ(windows(family, "sliding_attention"), (std::vector<int64_t>{7, 7})) << family;
    EXPECT_FALSE(contains(testing::internal::GetCapturedStderr(), "layer_types")) << family;
  }
  EXPECT_EQ(windows("mistral", "full_attention"), (std::vector<int64_t>{0, 7}));
}

// With 0, transformers 5.24 gives NaN in eager attention, nothing to see in its other one, and an error in generate.
TEST_F(PublishedConfig, NoWindowIsNullAndNotZero) {
  for (const char* family : {"mistral", "mixtral", "phi3", "qwen2", "qwen3", "qwen3_moe", "gemma2", "gemma3_text"}) {
    const Json switched = std::string(family).starts_with("qwen") ? Json{{"use_sliding_window", true}} : Json::object();
    const auto with = [&](const Json& window) {
      Json keys = switched;
      keys["sliding_window"] = window;
      return message(family, keys);
    };
    EXPECT_TRUE(contains(with(0), "sliding_window: wanted an integer > 0, or null for no window, found 0")) << family;
    EXPECT_TRUE(contains(with("5"), "sliding_window: wanted an integer > 0, found \"5\"")) << family;
    ASSERT_EQ(with(nullptr), "no error") << family;
    for (int64_t window : model_->info().windows) EXPECT_EQ(window, 0) << family;
  }
  EXPECT_EQ(message("qwen2", {{"sliding_window", 0}, {"use_sliding_window", false}}),
            "no error");  // says nothing there
}

// A layer's frequencies go by its kind, also where no window is set.
TEST_F(PublishedConfig, LocalLayersOfGemma3AreThoseOfTheirKind) {
  ASSERT_EQ(message("gemma3_text", {{"sliding_window", nullptr}}), "no error");
  const auto& rotary = dynamic_cast<const RotaryEncoding&>(model_->encoding());
  EXPECT_EQ(rotary.rope_of(0).base.theta, 10000);
  EXPECT_EQ(rotary.rope_of(1).base.theta, 1e6);
}

TEST_F(PublishedConfig, NeoXTakesEitherNameOfARotarySetting) {
  ASSERT_EQ(message("gpt_neox", {{"rope_theta", 500}, {"rotary_pct", nullptr}, {"partial_rotary_factor", 1}}),
            "no error");
  const Rope& rope = dynamic_cast<const RotaryEncoding&>(model_->encoding()).rope();
  EXPECT_EQ(rope.base.theta, 500);
  EXPECT_EQ(rope.base.dim, 4);
}

// transformers 5 may save a mixture as it has it in memory.
TEST_F(PublishedConfig, MixtralUnderTheNamesOfTransformers5) {
  ToyCheckpoint toy = toy_checkpoint("mixtral");
  std::erase_if(toy.shapes, [](const auto& named) { return contains(named.first, "block_sparse_moe"); });
  for (const char* layer : {"model.layers.0.mlp.", "model.layers.1.mlp."}) {
    toy.shapes[str(layer, "gate.weight")] = {3, 16};
    toy.shapes[str(layer, "experts.gate_up_proj")] = {3, 24, 16};
    toy.shapes[str(layer, "experts.down_proj")] = {3, 16, 12};
  }
  toy.write(folder_.path());
  EXPECT_EQ(error_of([&] { load_model(folder_.path()); }), "no error");
}

// Gemma 3 from 4B on: its text part is loaded when it is asked for, under either prefix of its tensors.
TEST_F(PublishedConfig, TheTextPartOfAModelOfTextAndImages) {
  const ToyCheckpoint text = toy_checkpoint("gemma3_text");
  text.write(folder_ / "text");
  const auto alone = load_model(folder_ / "text");
  for (const auto& [prefix, dropped] : {std::pair("language_model.", 0), std::pair("model.language_model.", 6)}) {
    ToyCheckpoint both{{{"model_type", "gemma3"}, {"text_config", text.config}, {"vision_config", Json::object()}}, {}};
    for (const auto& [name, shape] : text.shapes) both.shapes[prefix + name.substr(dropped)] = shape;
    both.shapes["vision_tower.patch.weight"] = {4, 4};
    both.write(folder_.path());
    LoadOptions options;
    EXPECT_TRUE(
        contains(error_of([&] { load_model(folder_.path(), options); }),
                 "config.json: model_type: \"gemma3\" is more than text; --hf-overrides model_type=gemma3_text"));
    options.overrides = {"model_type=gemma3_text"};
    const auto model = load_model(folder_.path(), options);
    EXPECT_EQ(model->info().family, "gemma3");
    EXPECT_EQ(model->parameters().count(), alone->parameters().count());
    options.overrides.push_back("text_config.sliding_window=512");
    EXPECT_EQ(error_of([&] { load_model(folder_.path(), options); }), "no error");
    options.overrides.push_back("sliding_window=512");
    EXPECT_TRUE(contains(error_of([&] { load_model(folder_.path(), options); }),
                         "--hf-overrides: sliding_window=512: what counts for this model_type is in text_config"));
  }
}

TEST_F(PublishedConfig, WithoutExpertsQwen3IsDense) {
  ToyCheckpoint toy = toy_checkpoint("qwen3");
  toy.config.update({{"model_type", "qwen3_moe"}, {"num_experts", 0}, {"num_local_experts", nullptr}});
  toy.write(folder_.path());
  EXPECT_EQ(error_of([&] { load_model(folder_.path()); }), "no error");
}

}  // namespace
}  // namespace longhaul
