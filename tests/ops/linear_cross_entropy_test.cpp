#include "ops/linear_cross_entropy/linear_cross_entropy.h"

#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>

#include "base/error.h"
#include "ops/linear_cross_entropy/linear_cross_entropy_ref.h"
#include "ops/linear_cross_entropy/softmax_rows.h"
#include "testing.h"

namespace longhaul {
namespace {

using namespace testing;

struct Results {
  double loss = 0;
  std::vector<double> log_prob, dx, dweight, dbias;
  std::vector<int64_t> rank;
};

// The definition in S.
template <class S>
Results reference(const Tensor& x, const LogitHead& head, const std::vector<int64_t>& targets) {
  const auto convert = [](const Tensor& tensor) {
    const std::vector<double> wide = tensor.defined() ? values(tensor) : std::vector<double>();
    return std::vector<S>(wide.begin(), wide.end());
  };
  const std::vector<S> in = convert(x), weight = convert(head.weight), bias = convert(head.bias);
  const int64_t vocabulary = head.weight.size(0), width = x.size(1);
  const ref::Head<S> plain{vocabulary,    width,           weight.data(), bias.empty() ? nullptr : bias.data(),
                           S(head.scale), S(head.soft_cap)};
  std::vector<S> dx(in.size()), dweight(weight.size()), dbias(vocabulary);
  Results out;
  for (int64_t t = 0; t < x.size(0); ++t) {
    const bool ignored = targets[t] == -100;
    int64_t rank = -1;
    out.log_prob.push_back(ignored ? 0 : ref::score(plain, &in[t * width], targets[t], &rank));
    out.rank.push_back(rank);
    if (!ignored)
      out.loss += ref::loss_backward(plain, &in[t * width], targets[t], &dx[t * width], dweight.data(), dbias.data());
  }
  out.dx.assign(dx.begin(), dx.end());
  out.dweight.assign(dweight.begin(), dweight.end());
  out.dbias.assign(dbias.begin(), dbias.end());
  return out;
}

struct HeadCase {
  bool bias;
  double scale, soft_cap;
};

class LinearCrossEntropyTest : public ::testing::TestWithParam<HeadCase> {
 protected:
  LogitHead head(int64_t vocabulary, int64_t width, at::ScalarType type = at::kFloat) const {
    return {randn({vocabulary, width}, type, 2), GetParam().bias ? randn({vocabulary}, type, 3) : Tensor(),
            GetParam().scale, GetParam().soft_cap};
  }
};

std::vector<int64_t> some_targets(int64_t tokens, int64_t vocabulary) {
  std::vector<int64_t> out;
  for (int64_t t = 0; t < tokens; ++t) out.push_back(t % 4 == 1 ? -100 : (t * 7 + vocabulary - 1) % vocabulary);
  return out;
}

const Norm none{NormKind::none, {}, {}};

TEST_P(LinearCrossEntropyTest, IsTheDefinition) {
  const MemoryOfNaN fill;
  for (auto [tokens, width, vocabulary] : {std::array<int64_t, 3>{1, 1, 1}, {3, 5, 2}, {9, 16, 33}, {6, 40, 257}}) {
    SCOPED_TRACE(str("T ", tokens, " C ", width, " V ", vocabulary));
    const Tensor x = randn({tokens, width + 1}, at::kFloat, 1).narrow(1, 0, width);
    const LogitHead plain = head(vocabulary, width);
    const std::vector<int64_t> list = some_targets(tokens, vocabulary);
    const Tensor targets = at::tensor(list, at::kLong);
    const Results wanted = reference<double>(x, plain, list), float_code = reference<float>(x, plain, list);
    for_each_target([&] {
      const Tensor leaf = x.detach().requires_grad_(true);
      LogitHead leaves = plain;
      leaves.weight = plain.weight.clone().requires_grad_(true);
      if (plain.bias.defined()) leaves.bias = plain.bias.clone().requires_grad_(true);
      const Tensor loss = linear_cross_entropy(leaf, leaves, targets);
      (loss * 0.5).backward();
      expect_as_good(loss, {wanted.loss}, {float_code.loss});
      expect_as_good(leaf.grad() * 2, wanted.dx, float_code.dx, 1);
      expect_as_good(leaves.weight.grad() * 2, wanted.dweight, float_code.dweight, 1);
      if (plain.bias.defined()) expect_as_good(leaves.bias.grad() * 2, wanted.dbias, float_code.dbias, 1);
      expect_as_good(linear_cross_entropy(x, plain, targets), {wanted.loss}, {float_code.loss});
      const TokenScores scores = score_targets(x, none, plain, targets);
      expect_as_good(scores.log_prob, wanted.log_prob, float_code.log_prob);
      EXPECT_TRUE(scores.rank.equal(at::tensor(wanted.rank, at::kLong)));
      const Tensor rows = logits(x, plain);
      EXPECT_EQ(rows.sizes(), (std::vector<int64_t>{tokens, vocabulary}));
      expect_near(
          (rows - rows.logsumexp(1, true)).gather(1, targets.clamp_min(0).unsqueeze(1)).squeeze(1) * targets.ne(-100),
          wanted.log_prob, 1e-5);
    });
  }
}

// Of more rows than a block holds, too.
TEST_P(LinearCrossEntropyTest, ScoresAreThoseOfTheNormalisedRows) {
  const LogitHead plain = head(4099, 24);
  const Norm norm{NormKind::rms, randn({24}, at::kFloat, 7), {}};
  const Tensor x = randn({4000, 24}, at::kFloat, 8);
  const Tensor targets = at::tensor(some_targets(4000, 4099), at::kLong);
  const TokenScores scores = score_targets(x, norm, plain, targets);
  const TokenScores wanted = score_targets(normalize(x, norm), none, plain, targets);
  EXPECT_TRUE(scores.log_prob.equal(wanted.log_prob));
  EXPECT_TRUE(scores.rank.equal(wanted.rank));
}

// Other devices run the passes as ATen operations; on the CPU they must give the same.
TEST_P(LinearCrossEntropyTest, CompositionGivesTheSame) {
  LogitHead plain = head(67, 1);
  const Tensor rows = randn({5, 67}, at::kFloat, 5), other = rows.clone();
  const Tensor targets = at::tensor(some_targets(5, 67), at::kLong);
  const RowScores ours = softmax_rows_(rows, plain, targets, -100, true, true);
  const RowScores theirs = softmax_rows_aten_(other, plain, targets, -100, true, true);
  expect_near(ours.log_prob, values(theirs.log_prob), 1e-6);
  EXPECT_TRUE(ours.rank.equal(theirs.rank));
  expect_near(rows, values(other), 2e-6);
}

TEST_P(LinearCrossEntropyTest, GradientsMatchCentralDifferences) {
  const Tensor targets = at::tensor(std::vector<int64_t>{3, -100, 0, 10}, at::kLong);
  const LogitHead like = head(11, 6, at::kDouble);
  std::vector<Tensor> inputs{randn({4, 6}, at::kDouble, 1), like.weight};
  if (like.bias.defined()) inputs.push_back(like.bias);
  expect_gradients(
      [&](const auto& in) {
        return linear_cross_entropy(in[0], {in[1], like.bias.defined() ? in[2] : Tensor(), like.scale, like.soft_cap},
                                    targets);
      },
      inputs);
}

// A factor given to the loss is the factor of the loss and of every gradient.
TEST_P(LinearCrossEntropyTest, FactorScalesLossAndGradients) {
  const LogitHead plain = head(101, 16);
  const Tensor x = randn({40, 16}, at::kFloat, 6), targets = at::tensor(some_targets(40, 101), at::kLong);
  auto run = [&](double given, double applied) {
    const Tensor leaf = x.clone().requires_grad_(true), weight = plain.weight.clone().requires_grad_(true);
    const Tensor loss =
        linear_cross_entropy(leaf, {weight, {}, plain.scale, plain.soft_cap}, targets, -100, given) * applied;
    loss.backward();
    return std::vector<Tensor>{loss.detach(), leaf.grad(), weight.grad()};
  };
  const auto given = run(0.125, 1), applied = run(1, 0.125);  // a power of two: exact either way
  for (size_t n = 0; n < given.size(); ++n) EXPECT_TRUE(given[n].equal(applied[n])) << n;
}

TEST_P(LinearCrossEntropyTest, SameBitsOnAnyThreadCount) {
  const LogitHead plain = head(101, 1);
  const Tensor start = randn({500, 101}, at::kFloat, 5), targets = at::tensor(some_targets(500, 101), at::kLong);
  expect_same_bits_on_any_thread_count([&] {
    const Tensor rows = start.clone();
    const RowScores scores = softmax_rows_(rows, plain, targets, -100, true, true);
    return std::vector<Tensor>{rows, scores.log_prob, scores.rank};
  });
}

INSTANTIATE_TEST_SUITE_P(All, LinearCrossEntropyTest,
                         ::testing::Values(HeadCase{false, 1, 0}, HeadCase{true, 1, 0}, HeadCase{true, 0.7, 0},
                                           HeadCase{false, 1, 3}, HeadCase{true, 0.7, 3}));

// V = 50,304 makes blocks of 521 tokens. The whole logits would be 412 MB, and PyTorch holds them about three times.
TEST(LinearCrossEntropy, MemoryIsBoundedAndBlocksAddUp) {
  const int64_t tokens = 2048, vocabulary = 50304, width = 4;
  const Tensor x = randn({tokens, width}, at::kFloat, 1).requires_grad_(true);
  const Tensor weight = randn({vocabulary, width}, at::kFloat, 2).requires_grad_(true);
  const Tensor targets = at::tensor(some_targets(tokens, vocabulary), at::kLong);
  double loss = 0;
  {
    const MemoryMeter meter;
    const Tensor whole = linear_cross_entropy(x, {weight, {}}, targets);
    whole.backward();
    loss = whole.item<double>();
    EXPECT_LE(meter.peak(), (tokens + vocabulary) * width * 4 + 300'000'000);
  }
  const std::vector<double> dweight = values(weight.grad()), dx = values(x.grad());
  weight.mutable_grad() = x.mutable_grad() = Tensor();
  double sum = 0;
  for (int64_t begin = 0; begin < tokens; begin += 512) {
    const Tensor part = linear_cross_entropy(x.narrow(0, begin, 512), {weight, {}}, targets.narrow(0, begin, 512));
    part.backward();
    sum += part.item<double>();
  }
  EXPECT_NEAR(loss, sum, 1e-9 * sum);
  expect_near(weight.grad(), dweight, 1e-5);
  expect_near(x.grad(), dx, 1e-5);
}

TEST(LinearCrossEntropy, WithoutGradientsNoneAreFormed) {
  const Tensor x = randn({8, 64}, at::kFloat, 1), weight = randn({1000, 64}, at::kFloat, 2);
  const Tensor targets = at::tensor(some_targets(8, 1000), at::kLong);
  const int64_t logits_bytes = 8 * 1000 * 4;
  const MemoryMeter eval;
  linear_cross_entropy(x, {weight, {}}, targets);
  EXPECT_LE(eval.peak(), logits_bytes + 4096);
  const Tensor leaf = x.clone().requires_grad_(true);
  const MemoryMeter frozen;
  linear_cross_entropy(leaf, {weight, {}}, targets).backward();
  EXPECT_LE(frozen.peak(), logits_bytes + 8 * 64 * 4 + 4096) << "a frozen head has no gradient";
}

TEST(LinearCrossEntropy, Bfloat16OperandsAreRoundedAndSummedInFloat) {
  const Tensor x = randn({5, 48}, at::kBFloat16, 1), weight = randn({71, 48}, at::kFloat, 2);
  const std::vector<int64_t> list = some_targets(5, 71);
  const Results wanted = reference<double>(x, {weight.to(at::kBFloat16), {}}, list);
  const Tensor leaf = x.clone().requires_grad_(true), head = weight.clone().requires_grad_(true);
  const Tensor loss = linear_cross_entropy(leaf, {head, {}}, at::tensor(list, at::kLong));
  EXPECT_NEAR(loss.item<double>(), wanted.loss, 1e-5 * wanted.loss);
  loss.backward();
  EXPECT_EQ(head.grad().scalar_type(), at::kFloat);
  EXPECT_EQ(leaf.grad().scalar_type(), at::kBFloat16);
  expect_near(head.grad(), wanted.dweight, std::ldexp(1, -7));
  expect_near(leaf.grad(), wanted.dx, std::ldexp(1, -7));
}

TEST(LinearCrossEntropy, NaNIsSeenAndMinusInfinityIsNoChance) {
  for_each_target([] {
    const Tensor x = randn({1, 3}, at::kFloat, 1), weight = randn({40, 3}, at::kFloat, 2),
                 bias = at::zeros_like(randn({40}, at::kFloat, 1));
    const Tensor targets = at::tensor(std::vector<int64_t>{2}, at::kLong);
    const Tensor masked = bias.clone();
    masked.narrow(0, 3, 37).fill_(-std::numeric_limits<double>::infinity());
    const double wanted = linear_cross_entropy(x, {weight.narrow(0, 0, 3), {}}, targets).item<double>();
    EXPECT_NEAR(linear_cross_entropy(x, {weight, masked}, targets).item<double>(), wanted, 1e-6);
    const Tensor broken = weight.clone();
    broken[39][0] = std::nan("");
    EXPECT_TRUE(std::isnan(linear_cross_entropy(x, {broken, {}}, targets).item<double>()));
  });
}

TEST(LinearCrossEntropy, SaysWhatIsWrong) {
  const Tensor x = randn({2, 4}, at::kFloat, 1).requires_grad_(true), weight = randn({3, 4}, at::kFloat, 2);
  const auto targets = [](std::vector<int64_t> list) { return at::tensor(list, at::kLong); };
  EXPECT_THROW(linear_cross_entropy(x, {weight, {}}, targets({0, 3})), Error);
  EXPECT_THROW(linear_cross_entropy(x, {weight, {}}, targets({0, -1})), Error);
  EXPECT_THROW(linear_cross_entropy(x, {weight, {}}, targets({0})), Error);
  EXPECT_THROW(linear_cross_entropy(x, {weight.t(), {}}, targets({0, 1})), Error);
  const Tensor loss = linear_cross_entropy(x, {weight, {}}, targets({0, 1}));
  loss.backward({}, /*retain_graph=*/true);
  EXPECT_THROW(loss.backward(), Error);
}

}  // namespace
}  // namespace longhaul
