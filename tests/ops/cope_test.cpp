#include "ops/cope/cope.h"

#include "base/error.h"
#include "ops/cope/cope_ref.h"
#include "testing.h"

namespace longhaul {
namespace {

using namespace testing;

constexpr int64_t kHeads = 2, kPositions = 12;

// Gates near 1 here and near 0 there: some counts are clamped soon, some never.
Tensor some_logits(int64_t rows, int64_t keys, at::ScalarType type) {
  Tensor logits = randn({kHeads, rows, keys}, at::kDouble, 1) * 3;
  logits.select(0, 1).sub_(4);
  return logits.to(type);
}
Tensor some_values(int64_t rows, at::ScalarType type) { return randn({kHeads, rows, kPositions}, type, 2); }

template <class S>
std::vector<double> reference(const Tensor& logits, const Tensor& values_of_positions, int64_t first) {
  std::vector<double> out = values(logits);
  const std::vector<double> table = values(values_of_positions);
  const int64_t rows = logits.size(1), keys = logits.size(2);
  for (int64_t n = 0; n < kHeads * rows; ++n) {
    const auto begin = out.begin() + n * keys, end = begin + first + n % rows + 1;
    const std::vector<S> added =
        ref::cope<S>({begin, end}, {table.begin() + n * kPositions, table.begin() + (n + 1) * kPositions});
    std::copy(added.begin(), added.end(), begin);
  }
  return out;
}

struct Case {
  int64_t first, rows, keys;
};
constexpr Case kCases[] = {{0, 1, 1}, {0, 9, 9}, {20, 3, 30}, {100, 50, 150}, {200, 1, 201}};

TEST(Cope, IsTheDefinition) {
  const MemoryOfNaN fill;
  for (const Case& c : kCases) {
    SCOPED_TRACE(str(c.rows, " queries from ", c.first, " on, ", c.keys, " keys"));
    const Tensor logits = some_logits(c.rows, c.keys, at::kFloat), table = some_values(c.rows, at::kFloat);
    const auto wanted = reference<double>(logits, table, c.first), plain = reference<float>(logits, table, c.first);
    for_each_target([&] { expect_as_good(add_counted_positions(logits, table, c.first), wanted, plain); });
    expect_near(add_counted_positions(logits.to(at::kDouble), table.to(at::kDouble), c.first), wanted, 1e-12);
  }
}

TEST(Cope, GradientsMatchCentralDifferences) {
  expect_gradients([](const auto& in) { return add_counted_positions(in[0], in[1], 10); },
                   {some_logits(6, 17, at::kDouble), some_values(6, at::kDouble)}, 1e-6);
}

TEST(Cope, TheKernelsGradientsAreTheCompositions) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(str(c.rows, " queries from ", c.first, " on, ", c.keys, " keys"));
    const auto gradients = [&](at::ScalarType type) {
      const Tensor logits = some_logits(c.rows, c.keys, at::kFloat).to(type).requires_grad_(true);
      const Tensor table = some_values(c.rows, at::kFloat).to(type).requires_grad_(true);
      add_counted_positions(logits, table, c.first).backward(randn({kHeads, c.rows, c.keys}, at::kFloat, 7).to(type));
      return std::vector<Tensor>{logits.grad(), table.grad()};
    };
    const std::vector<Tensor> wanted = gradients(at::kDouble);
    for_each_target([&] {
      const std::vector<Tensor> found = gradients(at::kFloat);
      for (size_t n = 0; n < 2; ++n) expect_near(found[n], values(wanted[n]), 3e-5);
    });
  }
}

TEST(Cope, SameBitsOnAnyThreadCount) {
  expect_same_bits_on_any_thread_count([] {
    const Tensor logits = some_logits(300, 300, at::kFloat).requires_grad_(true);
    const Tensor table = some_values(300, at::kFloat).requires_grad_(true);
    const Tensor out = add_counted_positions(logits, table, 0);
    out.backward(randn({kHeads, 300, 300}, at::kFloat, 7));
    return std::vector<Tensor>{out, logits.grad(), table.grad()};
  });
}

// A model that has diverged must be told by its loss, not by a crash.
TEST(Cope, LogitsThatAreNoNumbersStayThat) {
  Tensor logits = some_logits(4, 4, at::kFloat);
  logits.fill_(std::numeric_limits<float>::quiet_NaN());
  EXPECT_TRUE(add_counted_positions(logits, some_values(4, at::kFloat), 0).isnan().all().item<bool>());
}

TEST(Cope, RefusesShapesThatDoNotFit) {
  EXPECT_THROW(add_counted_positions(some_logits(3, 4, at::kFloat), some_values(3, at::kFloat), 2), Error);
  EXPECT_THROW(add_counted_positions(some_logits(3, 4, at::kFloat), some_values(2, at::kFloat), 0), Error);
}

}  // namespace
}  // namespace longhaul
