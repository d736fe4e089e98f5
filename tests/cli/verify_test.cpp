// `longhaul verify`, `inspect` and `generate` on a checkpoint of the hub's layout, as a user meets them.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>

#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>

#include "base/json.h"
#include "models/models.h"
#include "models/tensor_io.h"
#include "nn/forward.h"
#include "program_test.h"
#include "toy_checkpoint.h"

namespace longhaul {
namespace {

class CheckpointCommands : public ProgramTest {
 protected:
  void SetUp() override { toy_checkpoint("llama", 300).write(folder_ / "llama"); }
  // The model's own logits, one of them off by `error`.
  void write_reference(double error) {
    at::NoGradGuard off;
    const auto model = load_model(folder_ / "llama");
    const Tensor ids = at::arange(20, at::kLong);
    const Head head = model->head();
    Tensor rows = logits(normalize(forward(*model, ids, Sequences::equal(1, 20), {}), head.norm), head.logits);
    rows[18][7] += error;
    // Dumps of references hold more: hidden states, greedy continuations.
    write_safetensors(folder_ / "reference.safetensors", {to_named("a.ids", ids), to_named("a.logits", rows),
                                                          to_named("greedy.logits", rows), to_named("a.hidden", rows)});
  }
};

TEST_F(CheckpointCommands, VerifyTellsAgreementByPosition) {
  write_reference(0);
  ASSERT_EQ(run("verify llama reference.safetensors --parts 4 --json"), 0) << err_;
  Json result = parse_json(out_, "stdout");
  EXPECT_TRUE(result["agrees"].get<bool>());
  EXPECT_EQ(result["left_out"], Json({"a.hidden", "greedy.logits"}));
  EXPECT_TRUE(contains(err_, "2 tensors that no sequence has left out (a.hidden, ...)")) << err_;
  ASSERT_EQ(result["rows"].size(), 5u);
  EXPECT_EQ(result["rows"][1]["to"], 5);
  EXPECT_EQ(result["rows"][0]["top1"], 1.0);
  write_reference(100);
  ASSERT_EQ(run("verify llama reference.safetensors --parts 4 --json"), 1) << err_;
  result = parse_json(out_, "stdout");
  EXPECT_FALSE(result["agrees"].get<bool>());
  EXPECT_GT(result["rows"][0]["error"].get<double>(), 0.5);
  EXPECT_LT(result["rows"][3]["error"].get<double>(), 1e-5);
  EXPECT_GT(result["rows"][4]["error"].get<double>(), 0.5);
  EXPECT_EQ(result["rows"][4]["top1"], 0.8);
  ASSERT_EQ(run("verify llama reference.safetensors"), 1);
  EXPECT_TRUE(contains(out_, "DIFFERS")) << out_;
  write_reference(std::numeric_limits<double>::infinity());
  EXPECT_EQ(run("verify llama reference.safetensors"), 2);
  EXPECT_TRUE(contains(err_, "a.logits: wanted finite numbers")) << err_;
  write_safetensors(folder_ / "reference.safetensors",
                    {to_named("a.ids", at::arange(0, at::kLong)), to_named("a.logits", at::zeros({0, 300}))});
  expect_refusal("verify llama reference.safetensors", "a.ids: wanted [T] with T >= 1");
  write_safetensors(folder_ / "reference.safetensors",
                    {to_named("a.ids", at::zeros({2})), to_named("a.logits", at::zeros({2, 300}))});
  expect_refusal("verify llama reference.safetensors", "a.ids: wanted I64, I32, U32 or U16, found F32");
  write_safetensors(folder_ / "reference.safetensors",
                    {to_named("a.ids", at::arange(299, 301, at::kLong)), to_named("a.logits", at::zeros({2, 300}))});
  expect_refusal("verify llama reference.safetensors",
                 "reference.safetensors: a.ids: wanted ids of the model, 0 to 299, found 300");
  write_safetensors(folder_ / "reference.safetensors", {to_named("a.ids", at::arange(2, at::kLong))});
  expect_refusal("verify llama reference.safetensors", "wanted a.logits beside a.ids, found none");
  write_safetensors(folder_ / "reference.safetensors", {});
  expect_refusal("verify llama reference.safetensors", "wanted NAME.ids and NAME.logits, found none");
}

TEST_F(CheckpointCommands, InspectShowsTheRotationAndItsSources) {
  ASSERT_EQ(run("inspect llama --hf-overrides rope_scaling.type=yarn --hf-overrides rope_scaling.factor=4 --json"), 0)
      << err_;
  const Json described = parse_json(out_, "stdout");
  EXPECT_EQ(described["family"], "llama");
  EXPECT_EQ(described["files"]["dtype"], "F32");
  std::string facts;
  for (const Json& fact : described["rope"])
    facts += str(fact["name"].get<std::string>(), "=", fact["value"].get<std::string>(), " ",
                 fact["source"].get<std::string>(), ";");
  EXPECT_TRUE(contains(facts, "rope_type=yarn rope_scaling.type;") &&
              contains(facts, "factor=4 rope_scaling.factor;") &&
              contains(facts, "original_max_position_embeddings=32 max_position_embeddings;"))
      << facts;
  ASSERT_EQ(run("inspect llama --length 4k"), 0) << err_;
  EXPECT_TRUE(contains(out_, "stored as         F32 in model.safetensors")) << out_;
  EXPECT_FALSE(contains(out_, "windows")) << out_;
}

TEST_F(CheckpointCommands, InspectShowsWindows) {
  toy_checkpoint("mistral").write(folder_ / "mistral");
  ASSERT_EQ(run("inspect mistral --hf-overrides sliding_window=5"), 0) << err_;
  EXPECT_TRUE(contains(out_, "windows           5 tokens in 2 of 2 layers")) << out_;
  const auto flops_with_window = [&](const std::string& window) {
    EXPECT_EQ(run("inspect mistral --length 1m --json --hf-overrides sliding_window=" + window), 0) << err_;
    return parse_json(out_, "inspect")["cost"]["flops"].get<double>();
  };
  EXPECT_LT(flops_with_window("5"), flops_with_window("null") / 100);
}

// 2 layers of width 16 with 4 heads: 2 * 2 * 16 numbers of state a token, and for int8 a scale for each head's key and value.
TEST_F(CheckpointCommands, InspectCountsWhatInferenceWouldHold) {
  const auto cost = [&](const std::string& flags) {
    EXPECT_EQ(run("inspect llama --length 100 --json " + flags), 0) << err_;
    return parse_json(out_, "inspect");
  };
  const Json plain = cost(""), half = cost("--dtype bf16"), small = cost("--weight-dtype int8 --kv-cache-dtype int8");
  const int64_t heads = plain["kv_heads"], numbers = 2 * 2 * heads * plain["head_dim"].get<int64_t>();
  EXPECT_EQ(plain["state_bytes_per_token"], 4 * numbers);
  EXPECT_EQ(small["state_bytes_per_token"], numbers + 2 * 2 * heads * 4);
  const auto weights = [](const Json& all) {
    return all["cost"]["decode_bytes"].get<double>() - all["cost"]["decode_state_bytes"].get<double>();
  };
  EXPECT_EQ(weights(plain), 4 * plain["parameters"].get<double>());
  EXPECT_NEAR(weights(half) / weights(plain), 0.5, 0.05);  // norms stay f32
  EXPECT_NEAR(weights(small) / weights(plain), (1 + 4.0 / 128) / 4, 0.05);
  expect_refusal("inspect llama --dtype f64 --weight-dtype int8", "--dtype f64 takes weights as f64 only");
}

TEST_F(CheckpointCommands, GenerateContinues) {
  ASSERT_EQ(run("generate --model llama --tokenizer bytes --prompt 'Once upon' --max-tokens 20 --temperature 0"), 0)
      << err_;
  const std::string text = out_;
  ASSERT_EQ(
      run("generate --model llama --tokenizer bytes --prompt 'Once upon' --max-tokens 20 --temperature 0 --no-cache"),
      0);
  EXPECT_EQ(out_, text);
  expect_refusal(
      "generate --model llama --tokenizer bytes --prompt x --hf-overrides rope_scaling.type=linear "
      "--hf-overrides 'rope_scaling.factor=\"4\"'",
      R"(config.json: rope_scaling.factor: wanted a number > 1, found "4")");
  expect_refusal("generate --model nobody/nothing --prompt x", "no such model of the hub in ");
}

TEST_F(CheckpointCommands, MethodsTakeThePlaceOfTheConfig) {
  ASSERT_EQ(run("inspect llama --method yarn:factor=4+sink:window=20 --json"), 0) << err_;
  const Json described = parse_json(out_, "stdout");
  EXPECT_EQ(described["position"], "rope:default+sink:window=20+yarn:factor=4");
  std::string facts;
  for (const Json& fact : described["rope"])
    facts += str(fact["name"].get<std::string>(), "=", fact["value"].get<std::string>(), " ",
                 fact["source"].get<std::string>(), ";");
  EXPECT_TRUE(contains(facts, "rope_type=yarn --method;") && contains(facts, "factor=4 --method yarn.factor;") &&
              contains(facts, "sinks=4 first tokens, always seen;"))
      << facts;
  ASSERT_EQ(run("inspect llama --method dynamic --length 64 --frequencies --json"), 0) << err_;
  const Json frequencies = parse_json(out_, "stdout")["frequencies"];
  ASSERT_EQ(frequencies.size(), 2u);
  EXPECT_NEAR(frequencies[1].get<double>(), std::pow(1e4 * 4, -0.5), 1e-12);  // theta 2^(4 / 2) at twice the length
  expect_refusal("inspect llama --method yran:factor=4", "unknown method 'yran' (did you mean 'yarn'?)");
  expect_refusal("generate --model llama --tokenizer bytes --prompt x --method yarn:facter=2,factor=2",
                 "--method: unknown key 'yarn.facter' (did you mean 'factor'?)");
  expect_refusal("inspect llama --method clex", "clex: the model has no clex_layer");
}

// Far beyond the trained length of 32, across the borders where a policy that follows the text would change.
TEST_F(CheckpointCommands, GenerateUnderAMethodIsTheSameWithAndWithoutACache) {
  for (const char* method :
       {"self-extend:group=4,window=8+log-n", "sink", "dynamic:mode=per-request", "rerope:window=9"}) {
    const std::string command =
        str("generate --model llama --tokenizer bytes --prompt 'Once upon a time, far beyond' --max-tokens 60 "
            "--temperature 0 --dtype f64 --method ",
            method);
    ASSERT_EQ(run(command), 0) << err_;
    const std::string text = out_;
    ASSERT_EQ(run(command + " --no-cache"), 0) << err_;
    EXPECT_EQ(out_, text) << method;
  }
}

}  // namespace
}  // namespace longhaul
