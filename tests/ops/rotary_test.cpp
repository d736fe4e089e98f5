#include "ops/rotary/rotary.h"

#include "ops/rotary/rotary_ref.h"
#include "testing.h"

namespace longhaul {
namespace {

using namespace testing;

TEST(Rotary, GradientsMatchCentralDifferences) {
  const Tensor angle = randn({3, 2}, at::kDouble, 2);
  for (RotaryLayout layout : {RotaryLayout::interleaved, RotaryLayout::half}) {
    const Rotation rotation{angle.cos(), angle.sin(), layout};
    expect_gradients([&](const auto& in) { return rotate_heads_(in[0] * 2, 2, 5, rotation); },
                     {randn({3, 12}, at::kDouble, 1)});
  }
}

}  // namespace
}  // namespace longhaul
