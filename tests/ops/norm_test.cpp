#include "ops/norm/norm.h"

#include "ops/norm/norm_ref.h"
#include "testing.h"

namespace longhaul {
namespace {

using namespace testing;

struct NormCase {
  NormKind kind;
  bool weight, bias;
};

class NormTest : public ::testing::TestWithParam<NormCase> {};

TEST_P(NormTest, GradientsMatchCentralDifferences) {
  const NormCase c = GetParam();
  std::vector<Tensor> inputs{randn({5, 7}, at::kDouble, 1)};
  if (c.weight) inputs.push_back(randn({7}, at::kDouble, 2));
  if (c.bias) inputs.push_back(randn({7}, at::kDouble, 3));
  expect_gradients(
      [&](const std::vector<Tensor>& in) {
        return normalize(in[0], {c.kind, c.weight ? in[1] : Tensor(), c.bias ? in.back() : Tensor(), 1e-5});
      },
      inputs);
}

INSTANTIATE_TEST_SUITE_P(
    All, NormTest,
    ::testing::Values(NormCase{NormKind::layer, true, true}, NormCase{NormKind::layer, true, false},
                      NormCase{NormKind::layer, false, true}, NormCase{NormKind::layer, false, false},
                      NormCase{NormKind::rms, true, false}, NormCase{NormKind::rms, false, false}));

}  // namespace
}  // namespace longhaul
