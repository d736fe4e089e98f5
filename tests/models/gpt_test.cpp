#include <gtest/gtest.h>
#include <unistd.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>

#include <cmath>

#include "base/files.h"
#include "io/safetensors.h"
#include "models/models.h"
#include "nn/forward.h"

namespace longhaul {

namespace {

std::string scratch(const std::string& name) {
  std::string folder = path_join(testing::TempDir(), name + "_" + std::to_string(::getpid()));
  remove_all(folder);
  return folder;
}

std::unique_ptr<Model> make(const std::string& arch, const std::string& position, uint64_t seed = 1) {
  ModelOptions options;
  options.position = position;
  options.vocab = 61;
  options.trained_length = 32;
  options.seed = seed;
  return create_model(arch, options);
}

// specs/cable.md 1.4 and 3.1, exact.
TEST(Gpt, ParameterCounts) {
  ModelOptions options;
  struct Row {
    const char* size;
    int64_t base, nw, cable;
  };
  for (const Row& row : {Row{"tiny", 44670976, 24624, 49248}, Row{"small", 123689472, 110736, 221472}}) {
    options.position = "rope";
    EXPECT_EQ(create_model(std::string("gpt:") + row.size, options)->parameters().count(), row.base);
    options.position = "cable:variant=nw";
    EXPECT_EQ(create_model(std::string("gpt:") + row.size, options)->parameters().count(), row.base + row.nw);
    options.position = "cable";
    EXPECT_EQ(create_model(std::string("gpt:") + row.size, options)->parameters().count(), row.base + row.cable);
    options.position = "learned";
    EXPECT_EQ(create_model(std::string("gpt:") + row.size, options)->parameters().count(),
              row.base + 1024 * create_model(std::string("gpt:") + row.size, options)->info().width);
  }
}

// The two large sizes from their shapes alone: 12 C^2 + 13 C a layer, the embedding, the final norm.
TEST(Gpt, LargeParameterCountsByFormula) {
  auto count = [](int64_t layers, int64_t c) { return layers * (12 * c * c + 13 * c) + 50304 * c + 2 * c; };
  EXPECT_EQ(count(6, 512), 44670976);
  EXPECT_EQ(count(24, 1024), 353822720);
  EXPECT_EQ(count(36, 1280), 772779520);
}

TEST(Gpt, InitRule) {
  auto model = make("gpt:layers=2,width=64,heads=4", "cable");
  auto deviation = [&](const std::string& name) {
    return model->parameters().at(name).detach().to(at::kDouble).std().item<double>();
  };
  EXPECT_NEAR(deviation("transformer.h.0.attn.c_attn.weight"), 0.02, 0.001);
  EXPECT_NEAR(deviation("transformer.h.1.mlp.c_proj.weight"), 0.02 / 2, 0.0005);
  EXPECT_NEAR(deviation("transformer.h.1.attn.c_proj.weight"), 0.02 / 2, 0.0005);
  EXPECT_NEAR(deviation("transformer.h.0.attn.cable_layer.weight"), 0.02, 0.002);
  EXPECT_EQ(model->parameters().at("transformer.h.0.attn.c_attn.bias").abs().max().item<double>(), 0);
  // Encodings are compared from the same start: what two models share by name they share by value.
  auto other = make("gpt:layers=2,width=64,heads=4", "rope");
  EXPECT_TRUE(other->parameters()
                  .at("transformer.h.1.mlp.c_fc.weight")
                  .equal(model->parameters().at("transformer.h.1.mlp.c_fc.weight")));
  auto reseeded = make("gpt:layers=2,width=64,heads=4", "rope", 2);
  EXPECT_FALSE(
      other->parameters().at("transformer.wte.weight").equal(reseeded->parameters().at("transformer.wte.weight")));
}

TEST(Gpt, StartsNearTheUniformLoss) {
  auto model = make("gpt:layers=2,width=64,heads=4", "alibi");
  Tensor tokens = at::arange(60, at::kLong).remainder(61);
  double loss = loss_sum(*model, tokens, tokens.roll(1), Sequences::equal(2, 30), {}).item<double>() / 60;
  EXPECT_NEAR(loss, std::log(61.0), 0.1);
}

TEST(RunDirectory, SaveAndLoadIsBitwise) {
  std::string folder = scratch("run");
  auto model = make("gpt:layers=2,width=32,heads=4", "cable:variant=nw");
  save_model(*model, folder);
  auto again = load_model(folder);
  for (const Parameter& p : model->parameters().all())
    EXPECT_TRUE(p.tensor.equal(again->parameters().at(p.name))) << p.name;
  EXPECT_EQ(again->info().position, "cable:variant=nw");
  EXPECT_EQ(again->info().trained_length, 32);
  // Tied tensors are stored once.
  EXPECT_FALSE(SafetensorsFile::open(path_join(folder, "model.safetensors")).has("lm_head.weight"));
  remove_all(folder);
}

std::string message_of(const std::string& folder) {
  try {
    load_model(folder);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(RunDirectory, ErrorsNameEveryTensorAndKey) {
  std::string folder = scratch("broken"), config = path_join(folder, "config.json");
  EXPECT_NE(message_of(folder).find("no such directory"), std::string::npos);
  save_model(*make("gpt:layers=1,width=32,heads=4", "rope"), folder);
  Json json = read_json(config);
  json["position"] = "cable";
  write_json(config, json);
  EXPECT_NE(message_of(folder).find("missing transformer.h.0.attn.cable_layer.weight [4, 32]"), std::string::npos)
      << message_of(folder);
  json["position"] = "rope";
  json["n_lyer"] = 3;
  write_json(config, json);
  EXPECT_NE(message_of(folder).find("n_lyer"), std::string::npos) << message_of(folder);
  json.erase("n_lyer");
  json["n_head"] = "4";
  write_json(config, json);
  EXPECT_NE(message_of(folder).find("config.json: n_head: wanted an integer > 0, found \"4\""), std::string::npos)
      << message_of(folder);
  remove_all(folder);
}

TEST(Gpt, StateBytesAreWhatACacheHolds) {
  for (const char* position : {"rope", "cable"}) {
    auto model = make("gpt:layers=3,width=32,heads=4", position);
    const ModelInfo& info = model->info();
    LayerCache cache =
        LayerCache::make(Sequences::equal(1, 10), info.kv_heads, info.head_dim,
                         model->encoding().key_channel() ? info.heads : 0, at::TensorOptions(at::kFloat));
    size_t bytes = cache.k.nbytes() + cache.v.nbytes() + (cache.channel.defined() ? cache.channel.nbytes() : 0);
    EXPECT_EQ(static_cast<int64_t>(bytes) * info.layers, 10 * info.state_bytes_per_token(4)) << position;
  }
}

TEST(Gpt, FusedPathChunksAndBatchesAgree) {
  at::NoGradGuard off;
  auto model = make("gpt:layers=2,width=64,heads=4", "cable");
  Tensor tokens = at::arange(300, at::kLong).square().remainder(61);
  Tensor whole = forward(*model, tokens, Sequences::equal(1, 300), {});
  double largest = whole.abs().max().item<double>();
  for (int64_t chunk : {1, 7, 64}) {
    ForwardOptions options;
    options.chunk = chunk;
    EXPECT_LT((forward(*model, tokens, Sequences::equal(1, 300), options) - whole).abs().max().item<double>(),
              1e-5 * largest)
        << chunk;
  }
  Tensor both = forward(*model, at::cat({tokens.narrow(0, 0, 50), tokens}), Sequences::whole({50, 300}), {});
  EXPECT_LT((both.narrow(0, 50, 300) - whole).abs().max().item<double>(), 1e-5 * largest);
}

TEST(Gpt, HiddenStatesAreEveryLayersInputAndTheLastOutput) {
  at::NoGradGuard off;
  auto model = make("gpt:layers=3,width=32,heads=4", "rope");
  Tensor tokens = at::arange(20, at::kLong);
  std::vector<Tensor> one_pass, chunked;
  ForwardOptions options;
  options.hidden = &one_pass;
  Tensor x = forward(*model, tokens, Sequences::equal(1, 20), options);
  ASSERT_EQ(one_pass.size(), 4u);
  EXPECT_TRUE(one_pass.back().equal(x));
  options.hidden = &chunked;
  options.chunk = 8;
  forward(*model, tokens, Sequences::equal(1, 20), options);
  ASSERT_EQ(chunked.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_LT((one_pass[i] - chunked[i]).abs().max().item<double>(), 1e-5);
}

}  // namespace

}  // namespace longhaul
