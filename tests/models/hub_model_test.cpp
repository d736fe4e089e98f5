// Models of the Hugging Face layout: how stored tensors lie in ours, there and back; what a wrong folder says.
#include "models/hub_model.h"

#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "engine/logit_source.h"
#include "models/tensor_io.h"
#include "models/weights.h"
#include "nn/forward.h"
#include "support.h"
#include "toy_checkpoint.h"

namespace longhaul {
namespace {

Tensor tokens_of(int64_t n) { return (at::arange(n, at::kLong) * 7 + at::arange(n, at::kLong).square()).remainder(23); }

Tensor logits_of(const Model& model, int64_t n, int64_t chunk = 0) {
  ForwardOptions options;
  options.chunk = chunk;
  const Head head = model.head();
  return logits(normalize(forward(model, tokens_of(n), Sequences::equal(1, n), options), head.norm), head.logits);
}

double difference(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

class EveryHubModel : public testing::TestWithParam<std::string> {
 protected:
  EveryHubModel() : toy_(toy_checkpoint(GetParam())) { toy_.write(folder_.path()); }
  ToyCheckpoint toy_;
  TemporaryFolder folder_;
  at::NoGradGuard off_;
};

TEST_P(EveryHubModel, SavesWhatItRead) {
  const auto model = load_model(folder_.path());
  save_model(*model, folder_ / "again");
  const SafetensorsFile a = SafetensorsFile::open(folder_ / "model.safetensors"),
                        b = SafetensorsFile::open(folder_ / "again/model.safetensors");
  ASSERT_EQ(a.names(), b.names());
  for (const std::string& name : a.names()) {
    EXPECT_EQ(a.at(name).shape, b.at(name).shape) << name;
    EXPECT_EQ(std::memcmp(a.at(name).bytes.data(), b.at(name).bytes.data(), a.at(name).bytes.size()), 0) << name;
  }
  EXPECT_TRUE(logits_of(*model, 9).equal(logits_of(*load_model(folder_ / "again"), 9)));
}

TEST_P(EveryHubModel, ChunksCacheAndNeighboursChangeNothing) {
  const auto model = load_model(folder_.path(), at::kDouble);
  const Tensor whole = logits_of(*model, 20);
  for (int64_t chunk : {1, 7}) EXPECT_LT(difference(logits_of(*model, 20, chunk), whole), 1e-10) << chunk;
  const Tensor both = forward(*model, at::cat({tokens_of(5), tokens_of(20)}), Sequences::whole({5, 20}), {});
  EXPECT_LT(difference(both.narrow(0, 5, 20), forward(*model, tokens_of(20), Sequences::equal(1, 20), {})), 1e-10);
  Engine engine(*model, {.tokens = 64});
  Session session = engine.session();
  const Tensor tokens = tokens_of(20);
  const int64_t* ids = tokens.const_data_ptr<int64_t>();
  session.prefill({ids, 13});
  Tensor last;
  for (int64_t t = 13; t < 20; ++t) last = session.decode(ids[t]);
  EXPECT_LT(difference(last, whole[19]), 1e-10);
}

TEST_P(EveryHubModel, EveryMissingUnknownAndMisshapenTensorIsListed) {
  ToyCheckpoint wrong = toy_;
  const std::string first = wrong.shapes.begin()->first, last = wrong.shapes.rbegin()->first;
  wrong.shapes.erase(first);
  wrong.shapes[last].back() += 1;
  wrong.shapes["zzz.weight"] = {3};
  wrong.write(folder_ / "wrong");
  const std::string message = error_of([&] { load_model(folder_ / "wrong"); });
  const bool is_head = contains(first, "embed_out") || contains(first, "lm_head");  // the embedding stands in for it
  EXPECT_TRUE(is_head || contains(message, "missing " + first)) << message;
  EXPECT_TRUE(contains(message, last + ": wanted [")) << message;
  EXPECT_TRUE(contains(message, "unknown zzz.weight")) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

// Along one direction through all parameters at once.
TEST_P(EveryHubModel, GradientsAreTheSlopeOfTheLoss) {
  const auto model = load_model(folder_.path(), at::kDouble);
  const Tensor tokens = tokens_of(12);
  auto loss = [&] { return loss_sum(*model, tokens, tokens.roll(1), Sequences::whole({5, 7}), {}); };
  {
    at::AutoGradMode on(true);
    torch::autograd::backward({loss()}, {});
  }
  constexpr double kStep = 1e-6;
  double slope = 0;
  std::vector<Tensor> direction;
  for (const Parameter& p : model->parameters().all()) {
    direction.push_back(at::sin(at::arange(p.tensor.numel(), at::kDouble) * 0.7 + 0.3).view(p.tensor.sizes()));
    ASSERT_TRUE(p.tensor.grad().defined()) << p.name;
    slope += (p.tensor.grad() * direction.back()).sum().item<double>();
  }
  auto moved = [&](double by) {
    for (size_t i = 0; i < direction.size(); ++i) Tensor(model->parameters().all()[i].tensor).add_(direction[i], by);
    return loss().item<double>();
  };
  const double ahead = moved(kStep), behind = moved(-2 * kStep);
  EXPECT_NEAR((ahead - behind) / (2 * kStep) / slope, 1, 1e-5);
}

TEST_P(EveryHubModel, StateIsWhatACacheHolds) {
  const auto model = load_model(folder_.path());
  const ModelInfo& info = model->info();
  EXPECT_EQ(info.state_bytes_per_token(4), 2 * info.layers * info.kv_heads * info.head_dim * 4);
  EXPECT_EQ(Engine::page_bytes(*model), kPageRows * (info.state_bytes_per_token(4) + 8));
  EXPECT_EQ(info.vocab, 23);
  EXPECT_EQ(info.trained_length, GetParam() == "bloom" ? 2048 : 32);  // BLOOM's config does not say it
}

INSTANTIATE_TEST_SUITE_P(Families, EveryHubModel, testing::ValuesIn(toy_families()),
                         [](const auto& info) { return info.param; });

class HubModelTest : public testing::Test {
 protected:
  std::string message(const ToyCheckpoint& toy, const std::vector<std::string>& overrides = {}) {
    toy.write(folder_.path());
    LoadOptions options;
    options.overrides = overrides;
    return error_of([&] { load_model(folder_.path(), options); });
  }
  TemporaryFolder folder_;
  at::NoGradGuard off_;
};

// Rows of the stored tensor by head: q, k, v of head 0, then of head 1, ...; ours are all queries, all keys, all values.
TEST_F(HubModelTest, FusedHeadsAreUnfolded) {
  toy_checkpoint("gpt_neox").write(folder_.path());
  const auto model = load_model(folder_.path());
  const std::string name = "gpt_neox.layers.1.attention.query_key_value.";
  const SafetensorsFile file = SafetensorsFile::open(folder_ / "model.safetensors");
  for (const char* what : {"weight", "bias"}) {
    const Tensor stored = to_tensor(file.at(name + what)), ours = model->parameters().at(name + what);
    for (int64_t part = 0; part < 3; ++part)
      for (int64_t head = 0; head < 4; ++head)
        for (int64_t d = 0; d < 4; ++d)
          EXPECT_TRUE(ours[part * 16 + head * 4 + d].equal(stored[head * 12 + part * 4 + d])) << what;
  }
}

TEST_F(HubModelTest, StoredMatricesAreStackedAndTransposed) {
  toy_checkpoint("mixtral").write(folder_.path());
  auto model = load_model(folder_.path());
  SafetensorsFile file = SafetensorsFile::open(folder_ / "model.safetensors");
  const std::string layer = "model.layers.1.", expert = layer + "block_sparse_moe.experts.2.";
  const Tensor both = model->parameters().at(layer + "mlp.experts.gate_up_proj")[2];
  EXPECT_TRUE(both.narrow(0, 0, 12).equal(to_tensor(file.at(expert + "w1.weight"))));
  EXPECT_TRUE(both.narrow(0, 12, 12).equal(to_tensor(file.at(expert + "w3.weight"))));
  const Tensor qkv = model->parameters().at(layer + "self_attn.qkv_proj.weight");
  EXPECT_TRUE(qkv.narrow(0, 24, 8).equal(to_tensor(file.at(layer + "self_attn.v_proj.weight"))));
  toy_checkpoint("gpt2").write(folder_.path());
  model = load_model(folder_.path());
  file = SafetensorsFile::open(folder_ / "model.safetensors");
  EXPECT_TRUE(model->parameters()
                  .at("transformer.h.0.mlp.c_fc.weight")
                  .equal(to_tensor(file.at("transformer.h.0.mlp.c_fc.weight")).t()));
}

TEST_F(HubModelTest, NamesWithoutPrefixBuffersAndTiedHeads) {
  const ToyCheckpoint toy = toy_checkpoint("gpt2");
  toy.write(folder_ / "full");
  const Tensor want = logits_of(*load_model(folder_ / "full"), 9);
  const SafetensorsFile full = SafetensorsFile::open(folder_ / "full/model.safetensors");
  const std::vector<float> zeros(32 * 32);
  std::vector<NamedTensor> bare = {{"h.0.attn.bias", DType::f32, {1, 1, 32, 32}, std::as_bytes(std::span(zeros))},
                                   {"h.0.attn.masked_bias", DType::f32, {}, std::as_bytes(std::span(zeros.data(), 1))}};
  for (const auto& [name, tensor] : full.tensors())
    bare.push_back({name.substr(name.find('.') + 1), tensor.dtype, tensor.shape, tensor.bytes});
  write_json(folder_ / "config.json", toy.config);
  write_safetensors(folder_ / "model.safetensors", bare);
  EXPECT_TRUE(logits_of(*load_model(folder_.path()), 9).equal(want));
  // A head that is there although the config ties it is left out,
  const TensorView& rows = full.at("transformer.wte.weight");
  bare.push_back({"lm_head.weight", rows.dtype, rows.shape, rows.bytes});
  write_safetensors(folder_ / "model.safetensors", bare);
  const auto tied = load_model(folder_.path());
  EXPECT_TRUE(logits_of(*tied, 9).equal(want));
  EXPECT_TRUE(tied->head().logits.weight.is_same(tied->parameters().at("transformer.wte.weight")));
  // unless it is another: of two statements about it, the numbers count, as in transformers 5.
  std::vector<float> head(23 * 16);
  for (size_t i = 0; i < head.size(); ++i) head[i] = 0.01F * static_cast<float>(i % 11);
  bare.back().bytes = std::as_bytes(std::span(head));
  write_safetensors(folder_ / "model.safetensors", bare);
  const auto own = load_model(folder_.path());
  EXPECT_FALSE(logits_of(*own, 9).equal(want));
  EXPECT_TRUE(own->head().logits.weight.equal(at::from_blob(head.data(), {23, 16})));
  save_model(*own, folder_ / "saved");  // and it is kept, for readers that go by the config too
  EXPECT_TRUE(SafetensorsFile::open(folder_ / "saved/model.safetensors").has("lm_head.weight"));
  EXPECT_EQ(read_json(folder_ / "saved/config.json")["tie_word_embeddings"], false);
}

TEST_F(HubModelTest, ClassesThatTurnWholeHeadsDoNotReadAShare) {
  for (const char* family :
       {"llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3_moe", "gemma", "gemma2", "gemma3_text", "olmo2"}) {
    ToyCheckpoint toy = toy_checkpoint(family);
    toy.write(folder_.path());
    const Tensor want = logits_of(*load_model(folder_.path()), 9);
    toy.config["partial_rotary_factor"] = 0.5;
    toy.write(folder_.path());
    testing::internal::CaptureStderr();
    EXPECT_TRUE(logits_of(*load_model(folder_.path()), 9).equal(want)) << family;
    EXPECT_TRUE(contains(testing::internal::GetCapturedStderr(), "partial_rotary_factor is left out")) << family;
  }
  ToyCheckpoint scaled = toy_checkpoint("llama");
  scaled.config["partial_rotary_factor"] = 0.5;
  scaled.config["rope_scaling"] = {{"type", "linear"}, {"factor", 2}};
  scaled.write(folder_.path());
  EXPECT_TRUE(contains(error_of([&] { load_model(folder_.path()); }),
                       "partial_rotary_factor: wanted 1 with rope_type linear, found 0.5"));
  for (const char* family : {"phi", "phi3", "gpt_neox"}) {
    ToyCheckpoint toy = toy_checkpoint(family);
    toy.config.erase("rotary_pct");
    toy.config["partial_rotary_factor"] = 1;
    toy.write(folder_.path());
    const Tensor all = logits_of(*load_model(folder_.path()), 9);
    toy.config["partial_rotary_factor"] = 0.5;
    toy.write(folder_.path());
    EXPECT_FALSE(logits_of(*load_model(folder_.path()), 9).equal(all)) << family;
  }
}

TEST_F(HubModelTest, GemmaReadsTheActivationOfItsGeneration) {
  const auto with = [&](const char* family, const char* key, const char* value) {
    ToyCheckpoint toy = toy_checkpoint(family);
    for (const char* other : {"hidden_act", "hidden_activation"}) toy.config.erase(other);
    if (value) toy.config[key] = value;
    toy.write(folder_.path());
    return logits_of(*load_model(folder_.path()), 9);
  };
  for (const auto& [family, key, other] : {std::tuple{"gemma", "hidden_act", "hidden_activation"},
                                           std::tuple{"gemma2", "hidden_activation", "hidden_act"}}) {
    const Tensor tanh_form = with(family, key, nullptr);
    EXPECT_TRUE(with(family, key, "gelu_pytorch_tanh").equal(tanh_form)) << family;
    EXPECT_FALSE(with(family, key, "relu").equal(tanh_form)) << family;
    EXPECT_TRUE(with(family, other, "relu").equal(tanh_form)) << family;
    // The first files meant the tanh form.
    EXPECT_EQ(with(family, key, "gelu").equal(tanh_form), std::string(family) == "gemma") << family;
  }
}

TEST_F(HubModelTest, TheHeadOfGptNeoXMayHaveTheNameOfOthers) {
  ToyCheckpoint toy = toy_checkpoint("gpt_neox");
  toy.write(folder_.path());
  const Tensor want = logits_of(*load_model(folder_.path()), 9);
  const SafetensorsFile file = SafetensorsFile::open(folder_ / "model.safetensors");
  std::vector<NamedTensor> tensors;
  for (const auto& [name, view] : file.tensors())
    tensors.push_back({name == "embed_out.weight" ? "lm_head.weight" : name, view.dtype, view.shape, view.bytes});
  make_folders(folder_ / "renamed");
  write_json(folder_ / "renamed/config.json", toy.config);
  write_safetensors(folder_ / "renamed/model.safetensors", tensors);
  EXPECT_TRUE(logits_of(*load_model(folder_ / "renamed"), 9).equal(want));
}

TEST_F(HubModelTest, AHeadThatIsNowhereIsTheEmbedding) {
  ToyCheckpoint toy = toy_checkpoint("llama");
  toy.shapes.erase("lm_head.weight");
  toy.write(folder_.path());
  const auto model = load_model(folder_.path());
  EXPECT_TRUE(model->head().logits.weight.is_same(model->parameters().at("model.embed_tokens.weight")));
}

TEST_F(HubModelTest, AConfigMayNameItsClassAlone) {
  for (const auto& [family, name] : std::map<std::string, std::string>{{"gpt2", "GPT2LMHeadModel"},
                                                                       {"gpt_neox", "GPTNeoXForCausalLM"},
                                                                       {"gemma3_text", "Gemma3ForCausalLM"},
                                                                       {"mpt", "MPTForCausalLM"}}) {
    ToyCheckpoint toy = toy_checkpoint(family);
    toy.write(folder_.path());
    const Tensor want = logits_of(*load_model(folder_.path()), 9);
    toy.config.erase("model_type");
    toy.config["architectures"] = {name};
    toy.write(folder_.path());
    EXPECT_TRUE(logits_of(*load_model(folder_.path()), 9).equal(want)) << name;
    toy.config["architectures"] = {"Unheard" + name};
    EXPECT_TRUE(contains(message(toy), "model_type: wanted")) << name;
  }
}

TEST_F(HubModelTest, ConfigMistakes) {
  const ToyCheckpoint toy = toy_checkpoint("llama");
  auto with = [&](const std::string& key, const Json& value) {
    ToyCheckpoint changed = toy;
    changed.config[key] = value;
    const std::string text = message(changed);
    return text.substr(text.find("config.json"));
  };
  EXPECT_EQ(with("num_hidden_layers", "2"), R"(config.json: num_hidden_layers: wanted an integer > 0, found "2")");
  EXPECT_EQ(with("hiden_size", 3), "config.json: unknown key 'hiden_size' (did you mean 'hidden_size'?)");
  EXPECT_EQ(with("num_key_value_heads", 3),
            "config.json: num_key_value_heads: wanted a divisor of the 4 heads, found 3");
  EXPECT_EQ(with("rms_norm_eps", -1), "config.json: rms_norm_eps: wanted a number > 0, found -1");
  EXPECT_TRUE(contains(with("model_type", "lama"), "config.json: model_type: wanted one of \"RefinedWeb\", "));
  EXPECT_TRUE(contains(with("hidden_act", "mish"), "config.json: hidden_act: wanted one of gelu, "));
  EXPECT_TRUE(contains(with("architectures", {"LlamaForSequenceClassification"}),
                       "config.json: architectures: wanted a causal language model"));
  EXPECT_TRUE(
      contains(with("quantization_config", {{"bits", 4}}), "config.json: quantization_config: wanted weights as"));
  EXPECT_EQ(with("rope_scaling", {{"type", "linear"}, {"factor", "4"}}),
            R"(config.json: rope_scaling.factor: wanted a number > 1, found "4")");
  EXPECT_EQ(message(toy), "no error");
}

// A setting with two names is refused under the one that the file has.
TEST_F(HubModelTest, MistakesNameTheKeyThatWasRead) {
  const std::tuple<const char*, const char*> families[] = {
      {"gpt2", "n_head"}, {"gptj", "n_head"}, {"bloom", "n_head"}, {"falcon", "n_head"}, {"mpt", "n_heads"}};
  for (const auto& [family, own] : families) {
    for (const std::string key : {own, "num_attention_heads"}) {
      ToyCheckpoint toy = toy_checkpoint(family);
      for (const std::string name : {own, "num_attention_heads"}) toy.config.erase(name);
      toy.config[key] = 3;
      EXPECT_TRUE(contains(message(toy), str("config.json: ", key, ": wanted a divisor of the width 16, found 3")))
          << family << ": " << message(toy);
    }
  }
  for (const std::string key : {"n_head_kv", "num_kv_heads"}) {
    ToyCheckpoint toy = toy_checkpoint("falcon");
    toy.config.erase("num_kv_heads");
    toy.config[key] = 3;
    EXPECT_TRUE(contains(message(toy), str("config.json: ", key, ": wanted a divisor of the 4 heads, found 3")));
  }
}

// Far more than the files hold is not made and not listed, whoever makes it, also where no weights are read.
TEST_F(HubModelTest, ConfigsThatAskForFarTooMuch) {
  const auto refusal = [&](const std::string& family, const Json& keys) {
    ToyCheckpoint toy = toy_checkpoint(family);
    toy.config.update(keys);
    toy.write(folder_.path());
    LoadOptions options;
    options.weights = false;
    const std::string text = error_of([&] { load_model(folder_.path(), options); });
    EXPECT_LT(text.size(), 300u) << text;
    return text;
  };
  EXPECT_TRUE(contains(refusal("gpt2", {{"n_positions", 1 << 30}}),
                       " elements (transformer.wpe.weight [1073741824, 16] among them), found "));
  EXPECT_TRUE(contains(refusal("opt", {{"max_position_embeddings", 1 << 30}}),
                       " elements (model.decoder.embed_positions.weight [1073741826, 16] among them), found "));
  const std::string experts = refusal("mixtral", {{"num_hidden_layers", 1 << 16},
                                                  {"num_local_experts", 1 << 16},
                                                  {"vocab_size", 1},
                                                  {"hidden_size", 8},
                                                  {"intermediate_size", 1}});
  EXPECT_TRUE(contains(experts, " tensors (model.layers.0.block_sparse_moe.experts.")) << experts;
  const std::string layers = refusal(
      "phi3", {{"num_hidden_layers", 1 << 16}, {"vocab_size", 1}, {"hidden_size", 8}, {"intermediate_size", 1}});
  EXPECT_TRUE(contains(layers, " tensors (model.layers.")) << layers;
}

// To the nearest, ties to even: the upper half of a float's bits.
double bf16(double value) {
  const auto bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  return std::bit_cast<float>((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000U);
}

// Slope, position and their product, each in bf16, whatever the model's dtype. Of 16 heads every second slope is no power of two.
TEST_F(HubModelTest, FalconsAlibiIsRoundedAsTheReferenceRoundsIt) {
  ToyCheckpoint toy = toy_checkpoint("falcon");
  toy.config.update({{"alibi", true}, {"num_attention_heads", 16}, {"num_kv_heads", 8}});
  toy.write(folder_.path());
  for (at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    const auto model = load_model(folder_.path(), dtype);
    AttentionCall call;
    call.q = at::zeros({1, 16, 1}, at::TensorOptions(dtype));
    call.key_positions = [] { return at::arange(1100, at::kDouble); };
    const auto bias = std::get<SeparableBias>(model->encoding().bias(0, call));
    EXPECT_EQ(bias.s[301][0].item<double>(), -212);  // 2^-0.5 is 0.70703125 there, 301 is 300
    for (int64_t j = 0; j < 1100; ++j)
      for (int64_t h = 0; h < 16; ++h)
        ASSERT_EQ(bias.s[j][h].item<double>(),
                  -bf16(bf16(std::exp2(-0.5 * static_cast<double>(h + 1))) * bf16(static_cast<double>(j))))
            << j << " " << h;
  }
}

// transformers 5.24 gives the same logits with the key and without it, in each of its forms; BLOOM's class reads it.
TEST_F(HubModelTest, FalconHasNoResidualBehindANorm) {
  const std::string key = "apply_residual_connection_post_layernorm";
  for (const std::string family : {"falcon", "bloom"}) {
    ToyCheckpoint toy = toy_checkpoint(family);
    toy.write(folder_.path());
    const Tensor want = logits_of(*load_model(folder_.path()), 9);
    toy.config[key] = true;
    toy.write(folder_.path());
    testing::internal::CaptureStderr();
    const auto model = load_model(folder_.path());
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_EQ(contains(said, "config.json: " + key + " is left out: "), family == "falcon") << said;
    EXPECT_EQ(logits_of(*model, 9).equal(want), family == "falcon");
  }
}

TEST_F(HubModelTest, OverridesChangeTheConfig) {
  ToyCheckpoint toy = toy_checkpoint("mistral");
  toy.config["strange"] = 1;
  EXPECT_EQ(message(toy, {"strange="}), "no error");
  EXPECT_TRUE(contains(message(toy, {"strange"}), "--hf-overrides: wanted key=value, found 'strange'"));
  EXPECT_TRUE(contains(message(toy, {"strange=", "vocab_size.x=1"}), "vocab_size is no object"));
  LoadOptions options;
  options.overrides = {"strange=", "rope_scaling.type=linear", "rope_scaling.factor=4"};
  const auto model = load_model(folder_.path(), options);
  EXPECT_EQ(model->info().position, "rope:linear");
  EXPECT_EQ(model->config()["rope_scaling"]["factor"], 4);
}

// Phi 3 reads a text anew where its long factors begin: every step is a pass over the whole text, also of forks, also in a batch.
TEST_F(HubModelTest, ATextIsReadAnewWhereItsPlanChanges) {
  ToyCheckpoint toy = toy_checkpoint("phi3");
  toy.config["rope_scaling"] = {{"type", "su"}, {"short_factor", {1, 1.5}}, {"long_factor", {3, 7}}};
  toy.config["original_max_position_embeddings"] = 8;
  toy.write(folder_.path());
  const auto model = load_model(folder_.path(), at::kDouble);
  const Tensor tokens = tokens_of(12);
  const int64_t* ids = tokens.const_data_ptr<int64_t>();
  Engine engine(*model, {.tokens = 4 * kPageRows, .chunk = 3});
  Session a = engine.session(), c = engine.session();
  a.prefill({ids, 6});
  c.prefill({ids, 2});
  Session b = a.fork();
  for (int64_t t = 6; t < 12; ++t) {
    const Tensor rows = engine.decode({&a, &c, &b}, {ids[t], ids[t - 4], ids[t]});
    const Tensor want = logits_of(*model, t + 1)[t];
    EXPECT_LT(difference(rows[0], want), 1e-10) << t;
    EXPECT_LT(difference(rows[1], logits_of(*model, t - 3)[t - 4]), 1e-10) << t;
    EXPECT_LT(difference(rows[2], want), 1e-10) << t;
  }
  Session d = engine.session();
  d.prefill({ids, 7});
  EXPECT_LT(difference(d.prefill({ids + 7, 5}), logits_of(*model, 12)[11]), 1e-10);
  EXPECT_TRUE(contains(error_of([&] {
                         Session whole = engine.session();
                         whole.prefill(std::vector<int64_t>(64, 1));
                       }),
                       "out of room"));
}

TEST_F(HubModelTest, HalfPrecisionFilesAreWidened) {
  const ToyCheckpoint toy = toy_checkpoint("llama");
  toy.write(folder_.path());
  const auto model = load_model(folder_.path());
  for (at::ScalarType dtype : {at::kBFloat16, at::kHalf, at::kDouble}) {
    std::vector<Tensor> kept;
    std::vector<NamedTensor> tensors;
    const SafetensorsFile file = SafetensorsFile::open(folder_ / "model.safetensors");
    for (const auto& [name, view] : file.tensors()) {
      kept.push_back(to_tensor(view, dtype));
      tensors.push_back(to_named(name, kept.back()));
    }
    make_folders(folder_ / "half");
    write_json(folder_ / "half/config.json", toy.config);
    write_safetensors(folder_ / "half/model.safetensors", tensors);
    const auto half = load_model(folder_ / "half");
    for (const Parameter& p : model->parameters().all())
      EXPECT_TRUE(half->parameters().at(p.name).equal(p.tensor.to(dtype).to(at::kFloat))) << p.name;
  }
}

}  // namespace
}  // namespace longhaul
