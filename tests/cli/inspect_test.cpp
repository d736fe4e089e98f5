// `longhaul inspect` on lengths that a model does not have.
#include "base/json.h"
#include "program_test.h"
#include "toy_checkpoint.h"

namespace longhaul {
namespace {

class Inspect : public ProgramTest {};

TEST_F(Inspect, SaysWhyATableEnds) {
  toy_checkpoint("gpt2").write(folder_ / "gpt2");
  ASSERT_EQ(run("inspect gpt2 --length 33"), 0) << err_;
  EXPECT_TRUE(contains(out_, "trained length    32 tokens, ends at 32: the table ends at the trained length\n"))
      << out_;
  EXPECT_TRUE(contains(out_, "at 33 tokens - impossible: the table ends at the trained length\n")) << out_;
  ASSERT_EQ(run("inspect gpt2 --length 32"), 0) << err_;
  EXPECT_FALSE(contains(out_, "impossible")) << out_;
}

TEST_F(Inspect, SaysWhereTheOdeOfClexEnds) {
  ToyCheckpoint toy = toy_checkpoint("llama");
  toy.config["rope_scaling"] = {{"type", "clex"}, {"max_factor", 4}};
  toy.shapes["model.clex_layer.proj_func.ode_up_proj"] = {2, 4};
  toy.shapes["model.clex_layer.proj_func.ode_down_proj"] = {4, 2};
  toy.write(folder_ / "clex");
  const std::string limit = "the ODE ends at 128 tokens (max_factor x trained length)";
  ASSERT_EQ(run("inspect clex --length 129 --json"), 0) << err_;
  const Json described = parse_json(out_, "stdout");
  EXPECT_EQ(described["cost"]["impossible"], limit);
  EXPECT_EQ(described["encoding"]["limit"], limit);
  EXPECT_TRUE(contains(described["encoding"]["note"].get<std::string>(), "moves with the length"));
}

TEST_F(Inspect, SaysWhereAMethodHasNoFarPairs) {
  ToyCheckpoint toy = toy_checkpoint("mistral");
  toy.config["sliding_window"] = 5;
  toy.write(folder_ / "mistral");
  for (const char* method : {"self-extend:group=2,window=8", "sink", "lm-infinite", "rerope:window=8"}) {
    ASSERT_EQ(run(str("inspect mistral --method ", method)), 0) << err_;
    EXPECT_TRUE(contains(err_, "no far pairs in 2 of 2 layers: their own window, 5, is no larger than the method's, "))
        << err_;
    EXPECT_TRUE(contains(out_, "layers with far pairs              0 of 2 ")) << out_;
    EXPECT_FALSE(contains(out_, "reaches")) << out_;
  }
  ASSERT_EQ(run("inspect mistral --method self-extend:group=2,window=4"), 0) << err_;
  EXPECT_EQ(err_, "");
  EXPECT_FALSE(contains(out_, "far pairs")) << out_;
}

}  // namespace
}  // namespace longhaul
