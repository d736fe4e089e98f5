#include "ops/embedding/embedding.h"

#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "base/error.h"
#include "testing.h"

namespace longhaul {
namespace {

using namespace testing;

Tensor numbers(std::vector<double> list) { return at::tensor(list, at::TensorOptions(at::kDouble)); }
Tensor ids(std::vector<int64_t> list) { return at::tensor(list, at::kLong); }

TEST(Embedding, GivesTheRowsOfTheTable) {
  const Tensor table = at::arange(12, at::kDouble).view({4, 3});
  EXPECT_TRUE(embedding_rows(table, ids({2, 0, 2})).equal(numbers({6.0, 7, 8, 0, 1, 2, 6, 7, 8}).view({3, 3})));
  EXPECT_EQ(embedding_rows(table, at::zeros({0}, at::kLong)).size(0), 0);
}

TEST(Embedding, AddsTheGradientsOfEqualTokens) {
  const Tensor table = at::zeros({4, 2}, at::kDouble).requires_grad_(true);
  const Tensor slope = numbers({1.0, 2, 10, 20, 100, 200}).view({3, 2});
  (embedding_rows(table, ids({3, 1, 3})) * slope).sum().backward();
  EXPECT_TRUE(table.grad().equal(numbers({0.0, 0, 10, 20, 0, 0, 101, 202}).view({4, 2})));
  (embedding_rows(table, ids({0, 0, 0})) * slope).sum().backward();  // a second backward adds
  EXPECT_TRUE(table.grad().equal(numbers({111.0, 222, 10, 20, 0, 0, 101, 202}).view({4, 2})));
}

// Tied tables: the head's dense gradient and the rows' meet in one grad.
TEST(Embedding, MeetsTheGradientOfATiedHead) {
  const Tensor table = randn({5, 3}, at::kDouble, 1).requires_grad_(true),
               other = table.detach().clone().requires_grad_(true);
  const Tensor tokens = ids({4, 0, 4, 2}), slope = randn({4, 5}, at::kDouble, 2);
  (at::matmul(embedding_rows(table, tokens), table.t()) * slope).sum().backward();
  (at::matmul(other.index_select(0, tokens), other.t()) * slope).sum().backward();
  EXPECT_LT((table.grad() - other.grad()).abs().max().item<double>(), 1e-13);
}

TEST(Embedding, SameBitsOnAnyThreadCount) {
  const Tensor tokens = at::arange(5000, at::kLong).square().remainder(37), slope = randn({5000, 96}, at::kFloat, 3);
  expect_same_bits_on_any_thread_count([&] {
    const Tensor table = at::zeros({37, 96}, at::kFloat).requires_grad_(true);
    (embedding_rows(table, tokens) * slope).sum().backward();
    return std::vector<Tensor>{table.grad()};
  });
}

TEST(Embedding, SaysWhichTokenIsOutside) {
  const Tensor table = at::zeros({4, 2}, at::kFloat);
  EXPECT_THROW(embedding_rows(table, ids({0, 4})), Error);
  EXPECT_THROW(embedding_rows(table, ids({-1})), Error);
  EXPECT_THROW(embedding_rows(table, at::zeros({2}, at::kFloat)), Error);
}

}  // namespace
}  // namespace longhaul
