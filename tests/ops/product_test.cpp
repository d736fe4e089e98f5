#include "ops/linear/product.h"

#include "base/error.h"
#include "testing.h"

namespace longhaul {
namespace {

using namespace testing;

struct Shape {
  int64_t rows, columns, depth;
};

// Edges of every block and tile: of 8 and 6 rows, of 8, 16 and 32 columns, of blocks of 192 rows, 1536 columns, 384 deep.
const std::vector<Shape> kShapes{{12, 1, 1},   {13, 7, 5},      {12, 31, 383},  {200, 33, 385},
                                 {97, 97, 97}, {17, 1569, 768}, {1600, 40, 12}, {64, 64, 1000},
                                 {1, 40, 70},  {4, 9, 64},      {11, 35, 33}};

// [rows, columns] with either of its strides 1, cut out of something wider.
Tensor stored(int64_t rows, int64_t columns, bool turned, uint64_t seed) {
  if (turned) return randn({columns, rows + 3}, at::kFloat, seed).narrow(1, 1, rows).t();
  return randn({rows, columns + 3}, at::kFloat, seed).narrow(1, 2, columns);
}

// Higham 2002, section 3.1: a float sum of n products, in any order, is within (n + 1) 2^-24 of the sum of their magnitudes.
void expect_product(const Tensor& got, const Tensor& a, const Tensor& b, const Tensor& before) {
  const Tensor wide_a = a.to(at::kDouble), wide_b = b.to(at::kDouble), wide = before.to(at::kDouble);
  const Tensor wanted = wide_a.mm(wide_b) + wide, size = wide_a.abs().mm(wide_b.abs()) + wide.abs();
  const double worst = ((got.to(at::kDouble) - wanted).abs() / size).max().item<double>();
  EXPECT_LE(worst, 6e-8 * (static_cast<double>(a.size(1)) + 1)) << a.sizes() << " " << b.sizes();
}

TEST(Product, IsTheDefinitionForEveryLayout) {
  for_each_target([] {
    for (const Shape& shape : kShapes) {
      for (int layout = 0; layout < 4; ++layout) {
        const Tensor a = stored(shape.rows, shape.depth, (layout & 1) != 0, 1);
        const Tensor b = stored(shape.depth, shape.columns, (layout & 2) != 0, 2);
        const Tensor surround = randn({shape.rows, shape.columns + 2}, at::kFloat, 3);
        for (double beta : {0.0, 1.0}) {
          const Tensor kept = surround.clone(), out = kept.narrow(1, 1, shape.columns), before = out.clone();
          if (beta == 0) out.fill_(std::numeric_limits<float>::quiet_NaN());
          product_into(out, a, b, beta);
          expect_product(out, a, b, before * beta);
          EXPECT_TRUE(kept.select(1, 0).equal(surround.select(1, 0)));
          EXPECT_TRUE(kept.select(1, -1).equal(surround.select(1, -1))) << "written beside the output";
        }
      }
    }
  });
}

TEST(Product, OfFewRowsOrNoDepthAndOtherFactors) {
  for (int64_t rows : {0, 1, 11}) {
    const Tensor a = randn({rows, 40}, at::kFloat, 1), b = randn({40, 9}, at::kFloat, 2);
    const Tensor out = at::zeros_like(randn({rows, 9}, at::kFloat, 3)) + 1;
    product_into(out, a, b, 0.5);
    if (rows > 0) expect_product(out, a, b, at::zeros_like(out) + 0.5);
  }
  const Tensor out = randn({20, 9}, at::kFloat, 3);
  product_into(out, randn({20, 0}, at::kFloat, 1), randn({0, 9}, at::kFloat, 2));
  EXPECT_TRUE(out.equal(at::zeros_like(out)));
}

TEST(Product, IsTheSameOnAnyThreadCountAndWhateverIsBeside) {
  const Tensor a = randn({400, 800}, at::kFloat, 1), b = randn({900, 800}, at::kFloat, 2).t();
  expect_same_bits_on_any_thread_count([&] {
    const Tensor many = at::empty({400, 900}, a.options()), few = at::empty({7, 900}, a.options());
    product_into(many, a, b);
    product_into(few, a.narrow(0, 0, 7), b);
    return std::vector<Tensor>{many, few};
  });
  for (const auto& [rows, few] : {std::pair<int64_t, int64_t>{400, 29}, {11, 3}}) {
    const Tensor whole = at::empty({rows, 900}, a.options()), part = at::empty({few, 77}, a.options());
    product_into(whole, a.narrow(0, 0, rows), b);
    product_into(part, a.narrow(0, 5, few), b.narrow(1, 333, 77));
    EXPECT_TRUE(part.equal(whole.narrow(0, 5, few).narrow(1, 333, 77)));
  }
}

TEST(Product, SaysWhatDoesNotFit) {
  const Tensor a = randn({20, 30}, at::kFloat, 1), b = randn({31, 20}, at::kFloat, 2),
               out = randn({20, 20}, at::kFloat, 3);
  EXPECT_THROW(product_into(out, a, b), Error);
}

}  // namespace
}  // namespace longhaul
