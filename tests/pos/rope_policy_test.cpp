// The rope types against figures that were computed by hand from their definitions, and the two spellings of configs.
#include <gtest/gtest.h>

#include <cmath>

#include "pos/rope_config.h"
#include "support.h"

namespace longhaul {
namespace {

Rope rope_of(const std::string& text, int64_t head_dim, int64_t max_positions, const RopeFamily& family = {}) {
  const Json json = parse_python_json(text, "config.json");
  JsonReader config(json, "config.json");
  Rope rope = read_rope(config, family, head_dim, max_positions);
  config.finish();
  return rope;
}

std::string refusal(const std::string& text, const RopeFamily& family = {}) {
  return error_of([&] { rope_of(text, 64, 4096, family); });
}

void expect_frequencies(const Rope& rope, int64_t length, const std::vector<std::pair<size_t, double>>& wanted) {
  const std::vector<double> frequencies = rope.policy->frequencies(length);
  for (const auto& [pair, value] : wanted) EXPECT_NEAR(frequencies.at(pair) / value, 1, 2e-7) << "pair " << pair;
}

TEST(RopePolicy, YarnOfQwen) {
  const Rope rope = rope_of(R"({"rope_theta": 1e6, "rope_scaling": {"type": "yarn", "factor": 4.0,
                               "original_max_position_embeddings": 32768}})",
                            128, 32768);
  EXPECT_NEAR(rope.policy->attention_factor(1), 1.138629436, 1e-9);
  expect_frequencies(rope, 1,
                     {{0, 1.0}, {16, 3.162278e-02}, {32, 6.029412e-04}, {40, 4.445699e-05}, {63, 3.102344e-07}});
  EXPECT_FALSE(rope.policy->moves_with_length());
}

TEST(RopePolicy, YarnOfLlama) {
  const Rope rope = rope_of(R"({"rope_scaling": {"rope_type": "yarn", "factor": 32,
                               "original_max_position_embeddings": 4096}})",
                            128, 131072);
  EXPECT_NEAR(rope.policy->attention_factor(1), 1.346573590, 1e-9);
  expect_frequencies(rope, 1, {{16, 1e-01}, {32, 5.528846e-03}, {40, 8.057727e-04}, {63, 3.608694e-06}});
  // Without a factor: the lengths' ratio, which is the same here.
  const Rope derived = rope_of(R"({"rope_parameters": {"rope_type": "yarn", "factor": null,
                                  "original_max_position_embeddings": 4096}})",
                               128, 131072);
  EXPECT_EQ(derived.policy->frequencies(1), rope.policy->frequencies(1));
}

TEST(RopePolicy, YarnMagnitudes) {
  auto factor = [](const std::string& more) {
    return rope_of(R"({"rope_scaling": {"rope_type": "yarn", "factor": 5)" + more + "}}", 64, 320)
        .policy->attention_factor(1);
  };
  EXPECT_NEAR(factor(""), 0.1 * std::log(5) + 1, 1e-12);
  EXPECT_NEAR(factor(R"(, "mscale": 0.707, "mscale_all_dim": 1.3)"),
              (0.0707 * std::log(5) + 1) / (0.13 * std::log(5) + 1), 1e-12);
  EXPECT_NEAR(factor(R"(, "mscale": 0.707)"), 0.1 * std::log(5) + 1, 1e-12);
  EXPECT_NEAR(factor(R"(, "mscale": 0.7, "attention_factor": 1.25)"), 1.25, 1e-12);
}

TEST(RopePolicy, YarnRampsOfThePublishedModels) {
  const auto ramp = [](double theta, int64_t dim, int64_t original) {
    const Rope rope =
        rope_of(str(R"({"rope_theta": )", theta, R"(, "rope_scaling": {"type": "yarn", "factor": 4}})"), dim, original);
    std::string found;
    for (const EncodingFact& fact : rope.policy_facts)
      if (fact.name.starts_with("first pair")) found += fact.value + " ";
    return found;
  };
  EXPECT_EQ(ramp(1e4, 128, 4096), "20 46 ");   // Llama 2
  EXPECT_EQ(ramp(1e4, 32, 2048), "4 11 ");     // Phi 2
  EXPECT_EQ(ramp(1e6, 128, 32768), "23 40 ");  // Mixtral
}

TEST(RopePolicy, DynamicYarnIsYarnOfThePresentLength) {
  const Rope dynamic = rope_of(R"({"rope_scaling": {"type": "dynamic-yarn"}})", 128, 4096);
  EXPECT_TRUE(dynamic.policy->moves_with_length());
  const Rope twice = rope_of(R"({"rope_scaling": {"type": "yarn", "factor": 2}})", 128, 4096);
  EXPECT_EQ(dynamic.policy->frequencies(8192), twice.policy->frequencies(1));
  EXPECT_NEAR(dynamic.policy->attention_factor(8192), 0.1 * std::log(2) + 1, 1e-12);
  EXPECT_EQ(dynamic.policy->frequencies(100), rope_of("{}", 128, 4096).policy->frequencies(1));
  EXPECT_EQ(dynamic.policy->attention_factor(4096), 1);
}

TEST(RopePolicy, NtkByParts) {
  const Rope rope = rope_of(R"({"rope_scaling": {"type": "ntk-by-parts", "factor": 4}})", 128, 4096);
  const double ntk = 1e4 * std::pow(4, 128.0 / 126);
  // Borders by hand: 25.8 -> 25 and 40.2 -> 41 for 16 and 2 turns, 43.5 -> 43 and 47.03 -> 48 for 1.25 and 0.75.
  expect_frequencies(rope, 1,
                     {{0, 1},
                      {25, std::pow(1e4, -50.0 / 128)},
                      {40, 0.9375 * std::pow(ntk, -80.0 / 128) + 0.0625 * std::pow(1e4, -80.0 / 128)},
                      {44, 0.2 * std::pow(1e4, -88.0 / 128) / 4 + 0.8 * std::pow(ntk, -88.0 / 128)},
                      {63, std::pow(1e4, -126.0 / 128) / 4}});
}

TEST(RopePolicy, LlamaThree) {
  const Rope rope = rope_of(R"({"rope_theta": 500000.0, "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0,
                               "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
                               "rope_type": "llama3"}})",
                            128, 131072);
  expect_frequencies(
      rope, 1, {{28, 3.211446e-03}, {29, 2.166571e-03}, {32, 5.248462e-04}, {35, 9.556212e-05}, {63, 3.068926e-07}});
}

TEST(RopePolicy, DynamicGrowsBehindTheTrainedLength) {
  const Rope rope = rope_of(R"({"rope_scaling": {"type": "dynamic", "factor": 2.0}})", 128, 4096);
  EXPECT_TRUE(rope.policy->moves_with_length());
  const std::vector<double> plain = rope_of("{}", 128, 4096).policy->frequencies(1);
  EXPECT_EQ(rope.policy->frequencies(17), plain);
  EXPECT_EQ(rope.policy->frequencies(4096), plain);
  expect_frequencies(rope, 8192,
                     {{0, 1.0}, {1, std::pow(30527.7367, -2.0 / 128)}, {63, std::pow(30527.7367, -126.0 / 128)}});
}

TEST(RopePolicy, LongRopeHasTwoLists) {
  const Rope rope = rope_of(R"({"original_max_position_embeddings": 4096, "rope_scaling": {"type": "su",
                               "short_factor": [1, 2], "long_factor": [4, 8]}})",
                            4, 131072);
  EXPECT_EQ(rope.type, "longrope");
  EXPECT_NEAR(rope.policy->attention_factor(1), 1.190238072, 1e-9);
  expect_frequencies(rope, 4096, {{0, 1.0}, {1, 0.01 / 2}});
  expect_frequencies(rope, 4097, {{0, 1.0 / 4}, {1, 0.01 / 8}});
}

// As in the reference, which gives the key beside the settings priority; not in silence.
TEST(RopePolicy, TheOriginalLengthBesideTheSettingsCounts) {
  const auto rope_with = [](int64_t inside) {
    return rope_of(str(R"({"original_max_position_embeddings": 4096, "rope_scaling": {"type": "longrope",
                       "short_factor": [1, 2], "long_factor": [4, 8], "original_max_position_embeddings": )",
                       inside, "}}"),
                   4, 8192);
  };
  testing::internal::CaptureStderr();
  const Rope rope = rope_with(64);
  EXPECT_TRUE(contains(testing::internal::GetCapturedStderr(),
                       "rope_scaling.original_max_position_embeddings: 64 is left out: the model's own "
                       "original_max_position_embeddings is 4096"));
  expect_frequencies(rope, 4096, {{0, 1.0}, {1, 0.01 / 2}});
  expect_frequencies(rope, 4097, {{0, 1.0 / 4}, {1, 0.01 / 8}});
  EXPECT_NEAR(rope.policy->attention_factor(1), std::sqrt(1 + std::log(2) / std::log(4096)), 1e-12);
  testing::internal::CaptureStderr();
  rope_with(4096);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

// transformers 5.24 warns of such keys, in any type, and goes on; a misspelt one is a mistake.
TEST(RopePolicy, SettingsOfOtherTypesAreLeftOut) {
  const auto said_by = [](const std::string& config) {
    testing::internal::CaptureStderr();
    rope_of(config, 8, 64);
    return testing::internal::GetCapturedStderr();
  };
  const std::string original = "original_max_position_embeddings", idle = " is left out: it says nothing of rope_type ";
  for (const std::string name : {"rope_scaling", "rope_parameters"}) {
    const std::string said =
        said_by(str("{\"", name, R"(": {"rope_type": "dynamic", "factor": 2.0, ")", original, "\": 32}}"));
    EXPECT_TRUE(contains(said, str(name, ".", original, idle, "dynamic\n"))) << said;
  }
  const auto dynamic = [](const std::string& more) {
    const std::string config = str(R"({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0)", more, "}}");
    return rope_of(config, 8, 64).policy->frequencies(100);
  };
  EXPECT_EQ(dynamic(R"(, "original_max_position_embeddings": 32)"), dynamic(""));
  EXPECT_TRUE(contains(said_by(R"({"rope_scaling": {"type": "linear", "factor": 2, "beta_fast": 16}})"),
                       str("rope_scaling.beta_fast", idle, "linear\n")));
  EXPECT_TRUE(contains(said_by(R"({"rope_parameters": {"rope_type": "default", "factor": 2}})"),
                       str("rope_parameters.factor", idle, "default\n")));
  EXPECT_EQ(said_by(R"({"rope_scaling": {"type": "linear", "factor": 2, "beta_fast": null}})"), "");
  EXPECT_EQ(said_by(R"({"rope_scaling": {"type": "yarn", "factor": 2, "original_max_position_embeddings": 32}})"), "");
  EXPECT_EQ(refusal(R"({"rope_scaling": {"type": "dynamic", "factor": 2, "orginal_max_position_embeddings": 32}})"),
            "config.json: unknown key 'rope_scaling.orginal_max_position_embeddings' (did you mean "
            "'original_max_position_embeddings'?)");
}

TEST(RopePolicy, LinearAndFixedNtk) {
  expect_frequencies(rope_of(R"({"rope_scaling": {"type": "linear", "factor": 4}})", 8, 64), 1,
                     {{0, 0.25}, {1, 0.025}, {3, 0.00025}});
  expect_frequencies(rope_of(R"({"rope_scaling": {"type": "ntk", "factor": 4}})", 8, 64), 1,
                     {{0, 1.0}, {3, 0.001 / 4}});
  expect_frequencies(rope_of(R"({"rope_scaling": {"type": "linear", "factor": 1}})", 8, 64), 1, {{3, 0.001}});
}

TEST(RopePolicy, BothSpellingsAndWhereValuesCameFrom) {
  const Rope five = rope_of(R"({"rope_parameters": {"rope_type": "default", "rope_theta": 5e5,
                               "partial_rotary_factor": 0.4}, "rope_theta": 500000})",
                            80, 2048, {.partly = true});
  EXPECT_EQ(five.base.theta, 5e5);
  EXPECT_EQ(five.base.dim, 32);
  const Rope four = rope_of(R"({"rotary_emb_base": 5e5, "rotary_pct": 0.25, "rope_scaling": null})", 80, 2048,
                            {.partly = true, .theta_key = "rotary_emb_base", .partial_key = "rotary_pct"});
  EXPECT_EQ(four.base.dim, 20);
  EXPECT_EQ(four.base.theta, 5e5);
  std::string facts;
  for (const EncodingFact& fact : five.facts) facts += fact.name + "=" + fact.value + " " + fact.source + "; ";
  EXPECT_TRUE(contains(facts, "rope_theta=500000 rope_parameters.rope_theta; ")) << facts;
  EXPECT_EQ(rope_of("{}", 80, 2048).facts.front().source, "default");
}

TEST(RopePolicy, MistakesSayWhereWhatAndWhatWasFound) {
  EXPECT_EQ(refusal(R"({"rope_scaling": {"type": "linear", "factor": "4"}})"),
            R"(config.json: rope_scaling.factor: wanted a number > 1, found "4")");
  EXPECT_EQ(refusal(R"({"rope_scaling": {"type": "linear"}})"),
            "config.json: rope_scaling.factor: wanted a number > 1, found no such key");
  EXPECT_EQ(refusal(R"({"rope_scaling": {"type": "linear", "factor": 0.5}})"),
            "config.json: rope_scaling.factor: wanted a number > 1, found 0.5");
  EXPECT_EQ(refusal(R"({"rope_scaling": 3})"), "config.json: rope_scaling: wanted an object, found 3");
  EXPECT_EQ(refusal(R"({"rope_scaling": {"type": "linear", "factor": 2, "facter": 3}})"),
            "config.json: unknown key 'rope_scaling.facter' (did you mean 'factor'?)");
  EXPECT_TRUE(contains(refusal(R"({"rope_scaling": {"type": "cubic"}})"),
                       "config.json: rope_scaling.type: wanted one of clex, default, dynamic, "));
  EXPECT_EQ(refusal(R"({"rope_scaling": {"type": "linear", "rope_type": "yarn", "factor": 2}})"),
            R"(config.json: rope_scaling.type: wanted "yarn", as rope_type says, found "linear")");
  EXPECT_TRUE(contains(refusal(R"({"rope_scaling": {"type": "longrope", "short_factor": [1], "long_factor": [1]}})"),
                       "rope_scaling.short_factor: wanted a list of 32 numbers > 0"));
  EXPECT_TRUE(contains(refusal(R"({"partial_rotary_factor": 0.01})", {.partly = true}),
                       "partial_rotary_factor: wanted a share of the head"));
  EXPECT_EQ(
      refusal(R"({"rope_parameters": {"partial_rotary_factor": 0.01}})", {.partly = true}),
      "config.json: rope_parameters.partial_rotary_factor: wanted a share of the head size 64 that is an even number "
      "of dimensions, found 0.01");
  EXPECT_EQ(refusal(R"({"rope_parameters": {"rope_theta": 5e5}, "rope_theta": 7})"),
            "config.json: rope_theta: wanted what rope_parameters.rope_theta says too, 500000.0, found 7");
  EXPECT_TRUE(contains(refusal(R"({"rope_parameters": {"rope_type": "linear", "factor": 2},
                                   "rope_scaling": {"type": "linear", "factor": 4}})"),
                       "config.json: rope_scaling: wanted what rope_parameters.factor says too"));
  EXPECT_EQ(refusal(R"({"rope_theta": 0})"), "config.json: rope_theta: wanted a number > 0, found 0");
  EXPECT_EQ(refusal(R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4,
                        "high_freq_factor": 1}})"),
            "config.json: rope_scaling.high_freq_factor: wanted a number > low_freq_factor, 4, found 1");
}

}  // namespace
}  // namespace longhaul
