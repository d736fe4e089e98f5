#include "ops/rotary/rotary.h"

#include "base/error.h"
#include "ops/rotary/rotary_kernels.h"
#include "ops/rotary/rotary_ref.h"
#include "testing.h"

namespace longhaul {
namespace {

using namespace testing;

constexpr RotaryLayout kLayouts[] = {RotaryLayout::interleaved, RotaryLayout::half};

struct Case {
  int64_t tokens, width, heads, head_dim, half;
};
constexpr Case kCases[] = {{1, 2, 1, 2, 1},   {3, 13, 2, 5, 2},      {5, 200, 3, 64, 32}, {4, 90, 2, 40, 19},
                           {7, 96, 3, 32, 8}, {2, 300, 1, 256, 128}, {3, 16, 2, 8, 0}};

template <class S>
std::vector<double> reference(RotaryLayout layout, const Case& c, const Tensor& x, const Tensor& cos, const Tensor& sin,
                              S sign = 1) {
  const auto convert = [](const Tensor& tensor) {
    const std::vector<double> wide = values(tensor);
    return std::vector<S>(wide.begin(), wide.end());
  };
  std::vector<S> out = convert(x);
  ref::rotate<S>(layout, c.tokens, c.width, c.heads, c.head_dim, c.half, out.data(), convert(cos).data(),
                 convert(sin).data(), sign);
  return {out.begin(), out.end()};
}

TEST(Rotary, IsTheDefinition) {
  const MemoryOfNaN fill;
  for (const Case& c : kCases) {
    SCOPED_TRACE(str("W ", c.width, ", ", c.heads, " heads of ", c.head_dim, ", ", c.half, " pairs"));
    const Tensor x = randn({c.tokens, c.width + 3}, at::kFloat, 1).narrow(1, 1, c.width);  // rows of a wider tensor
    const Tensor angle = randn({c.tokens, c.half + 1}, at::kFloat, 2), dy = randn({c.tokens, c.width}, at::kFloat, 3);
    const Tensor cos = angle.cos().narrow(1, 0, c.half), sin = angle.sin().narrow(1, 0, c.half);
    for (RotaryLayout layout : kLayouts) {
      const std::vector<double> y = reference<double>(layout, c, x, cos, sin),
                                plain_y = reference<float>(layout, c, x, cos, sin);
      const std::vector<double> dx = reference<double>(layout, c, dy, cos, sin, -1);
      const std::vector<double> plain_dx = reference<float>(layout, c, dy, cos, sin, -1);
      for_each_target([&] {
        const Tensor leaf = x.clone().requires_grad_(true), input = leaf * 1;
        const Tensor out = rotate_heads_(input, c.heads, c.head_dim, {cos, sin, layout});
        EXPECT_EQ(out.const_data_ptr(), input.const_data_ptr());
        out.backward(dy);
        expect_as_good(out, y, plain_y);
        expect_as_good(leaf.grad(), dx, plain_dx);
        const Tensor strided = at::empty({c.tokens, c.width + 3}, at::kFloat).narrow(1, 1, c.width).copy_(x);
        expect_as_good(rotate_heads_(strided, c.heads, c.head_dim, {cos, sin, layout}), y, plain_y);
      });
      const Tensor to = at::empty({c.tokens, c.width}, at::kFloat);  // the composition of other devices and types
      rotate_aten(to, x, c.heads, c.head_dim, {cos, sin, layout}, false);
      expect_as_good(to, y, plain_y);
      const Tensor rounded = x.to(at::kBFloat16);
      expect_near(
          rotate_heads_(rounded.clone(), c.heads, c.head_dim, {cos.to(at::kBFloat16), sin.to(at::kBFloat16), layout}),
          reference<double>(layout, c, rounded, cos, sin), std::ldexp(1, -6));
    }
  }
}

TEST(Rotary, GradientsMatchCentralDifferences) {
  const Tensor angle = randn({3, 2}, at::kDouble, 2);
  for (RotaryLayout layout : kLayouts) {
    const Rotation rotation{angle.cos(), angle.sin(), layout};
    expect_gradients([&](const auto& in) { return rotate_heads_(in[0] * 2, 2, 5, rotation); },
                     {randn({3, 12}, at::kDouble, 1)});
  }
}

TEST(Rotary, SameBitsOnAnyThreadCount) {
  const Tensor x = randn({400, 130}, at::kFloat, 1), angle = randn({400, 32}, at::kFloat, 2);
  expect_same_bits_on_any_thread_count([&] {
    return std::vector<Tensor>{rotate_heads_(x.clone(), 2, 65, {angle.cos(), angle.sin()})};
  });
}

TEST(Rotary, NoTablesNoRotation) {
  const Tensor x = randn({2, 4}, at::kFloat, 1);
  EXPECT_TRUE(rotate_heads_(x.clone(), 1, 4, {}).equal(x));
}

TEST(Rotary, SaysWhatIsWrong) {
  const Tensor x = randn({2, 8}, at::kFloat, 1), table = randn({2, 2}, at::kFloat, 1);
  EXPECT_THROW(rotate_heads_(x, 3, 4, {table, table}), Error);
  EXPECT_THROW(rotate_heads_(x, 2, 3, {table, table}), Error);
  EXPECT_THROW(rotate_heads_(x, 2, 4, {table, {}}), Error);
  EXPECT_THROW(rotate_heads_(x, 2, 4, {table.to(at::kDouble), table.to(at::kDouble)}), Error);
}

}  // namespace
}  // namespace longhaul
