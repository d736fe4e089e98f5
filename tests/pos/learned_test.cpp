// A table has whole positions and an end: whatever else is asked of it is refused.
#include <ATen/ops/tensor.h>

#include "models/models.h"
#include "nn/forward.h"
#include "support.h"

namespace longhaul {
namespace {

TEST(Learned, RefusesPositionsThatItsTableLacks) {
  ModelOptions options;
  options.position = "learned";
  options.vocab = 9;
  options.trained_length = 4;
  auto model = create_model("gpt:layers=1,width=8,heads=1", options);
  auto said = [&](const std::vector<double>& positions) {
    Sequences seq = Sequences::equal(1, static_cast<int64_t>(positions.size()));
    seq.positions = at::tensor(positions, at::TensorOptions(at::kDouble));
    return error_of([&] { forward(*model, at::tensor({1, 2}, at::TensorOptions(at::kLong)), seq, {}); });
  };
  const std::string wanted = "learned: wanted whole positions from 0 to 3, where the table ends, found ";
  EXPECT_EQ(said({0, 3}), "no error");
  EXPECT_EQ(said({0, 1.5}), wanted + "1.5");
  EXPECT_EQ(said({3, 4}), wanted + "4");
  EXPECT_EQ(said({-1, 0}), wanted + "-1");
}

// Settings that would be read and then have no effect, or none that anybody can mean.
TEST(EncodingSettings, WhatCannotBeIsRefused) {
  auto said = [](const std::string& position) {
    ModelOptions options;
    options.position = position;
    options.vocab = 9;
    options.trained_length = 4;
    return error_of([&] { create_model("gpt:layers=1,width=8,heads=1", options); });
  };
  EXPECT_EQ(said("learned:max=0"), "learned: max must be at least 1, got 0");
  EXPECT_TRUE(contains(said("random:base=(random:base=(rope))"), "random itself draws others"));
  for (const char* base : {"nope", "cable", "cope", "dape:base=(cable)"})
    EXPECT_TRUE(contains(said(str("random:base=(", base, ")")), "its base reads no positions")) << base;
  for (const char* base : {"dape", "dape:version=2", "random:base=(dape)"})
    EXPECT_TRUE(contains(said(str("dape:base=(", base, ")")), "dape itself rewrites them")) << base;
}

}  // namespace
}  // namespace longhaul
