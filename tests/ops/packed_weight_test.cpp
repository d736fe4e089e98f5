// Packed weights against the definition: what is stored against the rounding of its type, products of what is stored in double, and
// the same bits whatever rows are beside.
#include "ops/linear/packed_weight.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "../support.h"
#include "ops/embedding/embedding.h"
#include "ops/linear/linear.h"
#include "ops/linear_cross_entropy/linear_cross_entropy.h"
#include "testing.h"

namespace longhaul {
namespace {

using namespace testing;

constexpr WeightType kTypes[] = {WeightType::f32, WeightType::bf16, WeightType::int8};

struct Shape {
  int64_t out, in;
};
// Edges of panels (32 rows), of sums (384, 128), of every register tile, of blocks (1536 columns).
const std::vector<Shape> kShapes{{1, 1},    {5, 7},    {32, 127},  {33, 128},  {31, 129},
                                 {64, 384}, {40, 385}, {70, 1000}, {1569, 130}};

Tensor weight_of(const Shape& shape) {
  const Tensor weight = randn({shape.out, shape.in}, at::kFloat, 1);
  weight.select(0, 0).zero_();  // a group without any scale
  return weight;
}

Tensor packed(const Tensor& weight, WeightType type) {
  const Tensor copy = weight.clone();
  pack_weight(copy, type);
  return copy;
}

Tensor all_rows(const Tensor& weight) {
  std::vector<int64_t> rows;
  for (int64_t r = 0; r < weight.size(0); ++r) rows.push_back(r);
  return packed_rows(*packed_matrix(weight), at::tensor(rows, at::TensorOptions(at::kLong)));
}

TEST(PackedWeight, HoldsTheNumbersAsTheTypeRoundsThem) {
  for_each_target([] {
    for (const Shape& shape : kShapes) {
      const Tensor weight = weight_of(shape);
      EXPECT_TRUE(all_rows(packed(weight, WeightType::f32)).equal(weight));
      EXPECT_TRUE(all_rows(packed(weight, WeightType::bf16)).equal(weight.to(at::kBFloat16).to(at::kFloat)));
      const Tensor stored = all_rows(packed(weight, WeightType::int8));
      for (int64_t k = 0; k < shape.in; k += kScaleGroup) {
        const int64_t count = std::min(kScaleGroup, shape.in - k);
        const Tensor group = weight.narrow(1, k, count).to(at::kDouble), scale = group.abs().amax(1, true) / 127;
        const Tensor error = (stored.narrow(1, k, count).to(at::kDouble) - group).abs();
        // Half a step, and the roundings of scale, quotient and product.
        EXPECT_TRUE(error.le(scale * 0.5 + group.abs() * 4e-7).all().item<bool>());
      }
    }
  });
}

// A number that is none stays visible in whatever is multiplied by it.
TEST(PackedWeight, HidesNoNumberThatIsNotFinite) {
  for_each_target([] {
    for (WeightType type : kTypes) {
      for (float broken : {std::nanf(""), INFINITY, -INFINITY}) {
        Tensor weight = weight_of({70, 300});
        weight[33][140] = broken;
        const Tensor x = randn({3, 300}, at::kFloat, 2), out = at::zeros({3, 70}), held = packed(weight, type);
        packed_affine_into(out, x, *packed_matrix(held), {});
        const Tensor finite = out.isfinite();
        EXPECT_FALSE(finite.select(1, 33).any().item<bool>()) << name_of(type) << " " << broken;
        EXPECT_EQ(finite.sum().item<int64_t>(), 3 * 69);
      }
    }
  });
}

// A float sum of n products in any order is within (n + 1) 2^-24 of the sum of their magnitudes (Higham 2002, section 3.1); sums of
// sums, a scale and a bias add a rounding each.
void expect_affine(const Tensor& got, const Tensor& x, const Tensor& stored, const Tensor& bias) {
  const Tensor wide = stored.to(at::kDouble).t(), rows = x.to(at::kDouble), added = bias.to(at::kDouble);
  const Tensor wanted = rows.mm(wide) + added, size = rows.abs().mm(wide.abs()) + added.abs() + 1e-30;
  EXPECT_LE(((got.to(at::kDouble) - wanted).abs() / size).max().item<double>(),
            6e-8 * (static_cast<double>(x.size(1)) + 20));
}

TEST(PackedWeight, MultipliesWhatItHolds) {
  for_each_target([] {
    for (const Shape& shape : kShapes) {
      for (WeightType type : kTypes) {
        const Tensor weight = packed(weight_of(shape), type), stored = all_rows(weight);
        for (int64_t rows : {1, 2, 7, 11, 12, 13, 200}) {
          SCOPED_TRACE(str(name_of(type), " ", shape.out, " x ", shape.in, ", ", rows, " rows"));
          const Tensor x = randn({rows, shape.in + 3}, at::kFloat, 2).narrow(1, 1, shape.in);
          const Tensor bias = randn({shape.out}, at::kFloat, 3);
          const Tensor room = at::full({rows, shape.out + 2}, std::nanf("")), out = room.narrow(1, 1, shape.out);
          packed_affine_into(out, x, *packed_matrix(weight), bias);
          expect_affine(out, x, stored, bias);
          EXPECT_TRUE(room.select(1, 0).isnan().all().item<bool>() && room.select(1, -1).isnan().all().item<bool>());
          packed_affine_into(out, x, *packed_matrix(weight), {});
          expect_affine(out, x, stored, at::zeros({shape.out}));
        }
      }
    }
  });
}

// Rows of any size, and of very different sizes within a group, whose numbers int8 rounds to 2^-31 of a power of two above the largest.
TEST(PackedWeight, MultipliesLargeAndSmallNumbers) {
  for_each_target([] {
    for (WeightType type : kTypes) {
      const Tensor weight = packed(weight_of({70, 300}), type), stored = all_rows(weight).to(at::kDouble);
      for (double size : {1e-30, 1e-20, 1e-3, 1e3, 1e20, 1e30}) {
        for (int64_t rows : {1, 13}) {
          const Tensor x = (randn({rows, 300}, at::kDouble, 2) * size).to(at::kFloat), out = at::zeros({rows, 70});
          x.select(1, 140).mul_(1000);  // in the second group
          packed_affine_into(out, x, *packed_matrix(weight), {});
          const Tensor wide = x.to(at::kDouble), wanted = wide.mm(stored.t());
          Tensor allowed = wide.abs().mm(stored.abs().t()) * (6e-8 * 320);
          for (int64_t k = 0; k < 300 && type == WeightType::int8; k += kScaleGroup) {
            const int64_t count = std::min<int64_t>(kScaleGroup, 300 - k);
            const Tensor largest = wide.narrow(1, k, count).abs().amax(1, true);
            allowed += largest.mm(stored.narrow(1, k, count).abs().sum(1, true).t()) * 0x1p-30;
          }
          EXPECT_TRUE((out.to(at::kDouble) - wanted).abs().le(allowed).all().item<bool>())
              << name_of(type) << " " << size;
        }
      }
    }
  });
}

// Whole numbers of 18 bits times weights of scale 1, whose sums f32 holds: nothing is rounded, on any target.
TEST(PackedWeight, SumsOfInt8AreExact) {
  for_each_target([] {
    constexpr int64_t kIn = 3 * kScaleGroup + 5;
    Tensor weight = randn({40, kIn}, at::kFloat, 1).round().clamp(-3, 3);
    for (int64_t rows : {1, 2, 5, 13}) {
      Tensor x = (randn({rows, kIn}, at::kFloat, 2) * 300).round();
      for (int64_t k = 0; k < kIn; k += kScaleGroup) {
        weight.select(1, k).fill_(127);  // a scale of 1
        x.select(1, k).fill_(1);
        x.select(1, k + 1).fill_(1 << 18);
      }
      const Tensor out = at::zeros({rows, 40}), held = packed(weight, WeightType::int8);
      packed_affine_into(out, x, *packed_matrix(held), {});
      EXPECT_TRUE(out.to(at::kDouble).equal(x.to(at::kDouble).mm(weight.to(at::kDouble).t()))) << rows;
    }
  });
}

TEST(PackedWeight, HidesNoRowThatIsNotFinite) {
  for_each_target([] {
    for (WeightType type : kTypes) {
      const Tensor weight = packed(randn({70, 150}, at::kFloat, 1), type);
      for (float broken : {std::nanf(""), INFINITY, -INFINITY}) {
        for (int64_t place = 0; place < 150; ++place) {
          const int64_t rows = place % 2 == 0 ? 2 : 13;
          const Tensor x = randn({rows, 150}, at::kFloat, 2), out = at::zeros({rows, 70});
          x[1][place] = broken;
          packed_affine_into(out, x, *packed_matrix(weight), {});
          const Tensor finite = out.isfinite();
          EXPECT_FALSE(finite[1].any().item<bool>()) << name_of(type) << " " << broken << " at " << place;
          EXPECT_EQ(finite.sum().item<int64_t>(), (rows - 1) * 70);
        }
      }
    }
  });
}

TEST(PackedWeight, GivesARowTheSameBitsInAnyBatchOnAnyThreadCount) {
  for_each_target([] {
    for (WeightType type : kTypes) {
      const Tensor weight = packed(weight_of({1000, 900}), type), x = randn({1100, 900}, at::kFloat, 2);
      const Linear layer{weight, randn({1000}, at::kFloat, 3)};
      const at::NoGradGuard off;
      const Tensor whole = linear(x, layer);
      for (int64_t rows : {1, 2, 3, 4, 11, 12, 50, 1001}) {
        const int64_t first = 1100 - rows;
        EXPECT_TRUE(linear(x.narrow(0, first, rows), layer).equal(whole.narrow(0, first, rows))) << rows;
      }
      expect_same_bits_on_any_thread_count([&] {
        return std::vector<Tensor>{linear(x, layer), linear(x.narrow(0, 0, 40), layer),
                                   linear(x.narrow(0, 0, 1), layer)};
      });
    }
  });
}

TEST(PackedWeight, IsTheSameTensorForAllWhoHoldIt) {
  const at::NoGradGuard off;
  const Tensor weight = randn({50, 20}, at::kFloat, 1), plain = weight.clone(), x = randn({3, 20}, at::kFloat, 2);
  const Tensor view = weight.t(), same = weight;
  pack_weight(weight, WeightType::f32);
  EXPECT_EQ(packed_bytes(same), 64 * 20 * 4);
  EXPECT_EQ(packed_bytes(plain), 0);
  EXPECT_EQ(weight.storage().nbytes(), 0u);
  const Tensor wanted = linear(x, {plain, {}});
  expect_near(linear(x, {same, {}}), values(wanted), 1e-6);
  expect_near(logits(x, {same, {}, 1, 0}), values(wanted), 1e-6);
  const Tensor tokens = at::tensor(std::vector<int64_t>{49, 0, 31, 32}, at::TensorOptions(at::kLong));
  EXPECT_TRUE(embedding_rows(same, tokens).equal(plain.index_select(0, tokens)));
  EXPECT_ANY_THROW(view.contiguous()) << "the plain numbers are gone";
  EXPECT_ANY_THROW(weight.sum());
  EXPECT_TRUE(contains(error_of([&] { pack_weight(weight, WeightType::f32); }), "packed already"));
  EXPECT_TRUE(contains(error_of([&] { pack_weight(randn({3, 2}, at::kDouble, 1), WeightType::f32); }), "f32"));
}

TEST(PackedWeight, PacksEveryMatrixOfAStack) {
  const at::NoGradGuard off;
  const Tensor stack = randn({3, 40, 20}, at::kFloat, 1), plain = stack.clone(), x = randn({5, 20}, at::kFloat, 2);
  pack_weight(stack, WeightType::f32);
  EXPECT_EQ(packed_bytes(stack), 3 * 64 * 20 * 4);
  for (int64_t e = 0; e < 3; ++e)
    expect_near(linear(x, {stacked_weight(stack, e), {}}), values(linear(x, {stacked_weight(plain, e), {}})), 1e-6);
}

// As a file gives them: whatever comes at a time, what is held is the same.
TEST(PackedWeight, RowsMayComeInPiecesOfAnySize) {
  for (WeightType type : kTypes) {
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{70, 20}, {3, 40, 20}}) {
      const Tensor plain = randn(shape, at::kFloat, 1), whole = packed(plain, type);
      const int64_t rows = plain.numel() / 20, matrices = shape.size() == 3 ? shape[0] : 1;
      for (int64_t piece : {1, 7, 31, 32, 33, 64, 119}) {
        const Tensor weight = plain.clone();
        WeightPacker packer(weight, type);
        for (int64_t row = 0; row < rows; row += piece)
          packer.add(plain.const_data_ptr<float>() + row * 20, std::min(piece, rows - row));
        EXPECT_EQ(packer.rows(), rows);
        packer.finish();
        for (int64_t e = 0; e < matrices; ++e) {
          const Tensor got = shape.size() == 3 ? stacked_weight(weight, e) : weight;
          const Tensor wanted = shape.size() == 3 ? stacked_weight(whole, e) : whole;
          EXPECT_TRUE(all_rows(got).equal(all_rows(wanted))) << name_of(type) << " " << e << " by " << piece;
        }
      }
    }
  }
  const Tensor weight = randn({5, 20}, at::kFloat, 1), plain = weight.clone();
  WeightPacker packer(weight, WeightType::f32);
  packer.add(plain.const_data_ptr<float>(), 4);
  EXPECT_EQ(error_of([&] { packer.finish(); }), "pack_weight: wanted 5 rows, got 4");
  EXPECT_EQ(error_of([&] { packer.add(plain.const_data_ptr<float>(), 2); }), "pack_weight: wanted 5 rows, got 6");
}

TEST(PackedWeight, ATransposeGivesTheSame) {
  for (WeightType type : kTypes) {
    const Tensor plain = randn({70, 400}, at::kFloat, 1), turned = plain.t().contiguous(), weight = plain.clone();
    WeightPacker packer(weight, type);
    packer.add_transposed(turned.const_data_ptr<float>());
    packer.finish();
    EXPECT_TRUE(all_rows(weight).equal(all_rows(packed(plain, type)))) << name_of(type);
  }
}

TEST(PackedWeight, HasNoGradients) {
  const Tensor weight = randn({50, 20}, at::kFloat, 1).set_requires_grad(true), x = randn({3, 20}, at::kFloat, 2);
  pack_weight(weight, WeightType::f32);
  const Tensor leaf = x.clone().set_requires_grad(true),
               targets = at::tensor(std::vector<int64_t>{1, 2, 3}, at::TensorOptions(at::kLong));
  EXPECT_TRUE(contains(error_of([&] { linear(leaf, {weight, {}}); }), "no gradients"));
  EXPECT_TRUE(contains(error_of([&] { linear_cross_entropy(x, {weight, {}, 1, 0}, targets); }), "no gradients"));
}

}  // namespace
}  // namespace longhaul
