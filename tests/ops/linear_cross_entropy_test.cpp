#include "ops/linear_cross_entropy/linear_cross_entropy.h"

#include <ATen/ops/tensor.h>

#include "ops/linear_cross_entropy/linear_cross_entropy_ref.h"
#include "testing.h"

namespace longhaul {
namespace {

using namespace testing;

TEST(LinearCrossEntropy, GradientsMatchCentralDifferences) {
  const Tensor targets = at::tensor(std::vector<int64_t>{3, -100, 0, 10}, at::kLong);
  std::vector<Tensor> inputs{randn({4, 6}, at::kDouble, 1), randn({11, 6}, at::kDouble, 2),
                             randn({11}, at::kDouble, 3)};
  for (double cap : {0.0, 3.0}) {
    expect_gradients(
        [&](const auto& in) {
          return linear_cross_entropy(in[0], {in[1], in[2], 0.7, cap}, targets);
        },
        inputs);
  }
}

}  // namespace
}  // namespace longhaul
