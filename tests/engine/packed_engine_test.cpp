// Models as they are run: weights packed, keys and values reduced. A session's logits are the same bits alone and beside others, and
// however its prompt is cut.
#include <gtest/gtest.h>

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "../support.h"
#include "engine/engine.h"
#include "models.h"

namespace longhaul {
namespace {

// Encodings without a bias: of others, tiles may be skipped (up to skip_eps), and which are depends on the rows of a tile.
constexpr const char* kPositions[] = {"rope", "learned:max=150", "nope", "sinusoidal"};
constexpr WeightType kWeights[] = {WeightType::f32, WeightType::bf16, WeightType::int8};
constexpr CacheType kCaches[] = {CacheType::same, CacheType::bf16, CacheType::int8};

std::span<const int64_t> part(const std::vector<int64_t>& tokens, int64_t begin, int64_t count) {
  return std::span(tokens).subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
}

TEST(PackedEngine, ABatchOfRaggedSessionsIsEachAloneToTheBit) {
  for (const char* position : kPositions) {
    for (WeightType weights : kWeights) {
      for (CacheType cache : kCaches) {
        if (cache != CacheType::same && position != kPositions[0]) continue;
        SCOPED_TRACE(str(position, " ", name_of(weights), " cache ", static_cast<int>(cache)));
        const auto model = packed_model(position, weights);
        const std::vector<int64_t> tokens = some_tokens(150), lengths = {3, 1, 130, 9, 64, 65, 20, 7, 11, 12, 13, 14};
        Engine engine(*model, {.tokens = 40 * kPageRows, .cache = cache});
        std::vector<Session> together, alone;
        for (int64_t length : lengths) {
          together.push_back(engine.session());
          together.back().prefill(part(tokens, 0, length));
          alone.push_back(together.back().fork());
        }
        for (int64_t step = 0; step < 2; ++step) {
          std::vector<Session*> sessions;
          std::vector<int64_t> next;
          for (size_t b = 0; b < lengths.size(); ++b) {
            sessions.push_back(&together[b]);
            next.push_back(tokens[static_cast<size_t>(lengths[b] + step)]);
          }
          const Tensor all = engine.decode(sessions, next);
          for (size_t b = 0; b < lengths.size(); ++b)
            EXPECT_TRUE(all[static_cast<int64_t>(b)].equal(alone[b].decode(next[b]))) << "session " << b;
        }
      }
    }
  }
}

TEST(PackedEngine, ChunksAndStepsOfAPromptAreOnePassToTheBit) {
  const std::vector<int64_t> tokens = some_tokens(150);
  for (const char* position : kPositions) {
    for (WeightType weights : kWeights) {
      const auto model = packed_model(position, weights);
      const Tensor whole = recomputed(*model, tokens);
      for (int64_t chunk : {1, 7, 64, 1000}) {
        Engine engine(*model, {.tokens = 150, .chunk = chunk});
        EXPECT_TRUE(engine.session().prefill(tokens).equal(whole))
            << position << " " << name_of(weights) << " " << chunk;
      }
    }
  }
}

TEST(PackedEngine, ThreadsDoNotShow) {
  const std::vector<int64_t> tokens = some_tokens(150);
  const int kept = at::get_num_threads();
  for (WeightType weights : kWeights) {
    const auto model = packed_model("rope", weights);
    std::vector<Tensor> found;
    for (int threads : {1, 2, 5}) {
      at::set_num_threads(threads);
      Engine engine(*model, {.tokens = 200});
      Session session = engine.session();
      session.prefill(part(tokens, 0, 100));
      found.push_back(session.decode(7));
    }
    EXPECT_TRUE(found[0].equal(found[1]) && found[0].equal(found[2])) << name_of(weights);
  }
  at::set_num_threads(kept);
}

TEST(PackedEngine, ReducedCachesTakeLessAndSayAlmostTheSame) {
  const std::vector<int64_t> tokens = some_tokens(150);
  for (const std::string position : {"rope", "alibi", "cope", "cable", "xpos", "t5"}) {
    const auto model = model_with(position, at::kFloat);
    auto logits = [&](CacheType cache) {
      Engine engine(*model, {.tokens = 200, .chunk = 16, .cache = cache});
      Session session = engine.session();
      session.prefill(part(tokens, 0, 100));
      return session.fork().decode(7);
    };
    const Tensor exact = logits(CacheType::same);
    const double size = exact.abs().max().item<double>();
    // Two layers of keys and values rounded to 2^-8 and 1 / 254 of the largest.
    EXPECT_LT((logits(CacheType::bf16) - exact).abs().max().item<double>(), 0.02 * size) << position;
    EXPECT_LT((logits(CacheType::int8) - exact).abs().max().item<double>(), 0.04 * size) << position;
    EXPECT_FALSE(logits(CacheType::bf16).equal(exact)) << position;
    EXPECT_LT(Engine::page_bytes(*model, CacheType::int8), Engine::page_bytes(*model, CacheType::bf16));
    EXPECT_LT(Engine::page_bytes(*model, CacheType::bf16), Engine::page_bytes(*model));
  }
  const auto wide = model_with("rope", at::kDouble);
  EXPECT_TRUE(contains(error_of([&] { Engine(*wide, {.tokens = 64, .cache = CacheType::bf16}); }), "models of f32"));
}

// What is kept is each number's rounding: a scale of a row and head, half a step at most.
TEST(PackedEngine, AReducedCacheHoldsRoundedNumbers) {
  const at::NoGradGuard off;
  const Tensor positions = at::zeros({2 * kPageRows}, at::kDouble);
  Sequences seq = Sequences::chunk(0, 70, 70);
  seq.pages = std::make_shared<PageTable>(PageTable{{1, 0}});
  Tensor keys = at::empty({70, 3, 10}), values = at::empty({70, 3, 10});
  for (int64_t i = 0; i < keys.numel(); ++i) {
    keys.mutable_data_ptr<float>()[i] = static_cast<float>(std::sin(1.7 * static_cast<double>(i)) * std::exp2(i % 5));
    values.mutable_data_ptr<float>()[i] = static_cast<float>(std::cos(0.9 * static_cast<double>(i)));
  }
  keys[5].zero_();
  for (CacheType type : {CacheType::bf16, CacheType::int8}) {
    LayerCache cache = LayerCache::pool(positions, 3, 10, 0, keys.options(), type);
    const AttentionSpans spans = cache.append(keys, values, seq);
    const KeyRows rows = without_pages(cache.k, cache.v, spans);
    for (const auto& [kept, from] : {std::pair{rows.k, keys}, std::pair{rows.v, values}}) {
      const Tensor found = kept.narrow(0, 0, 70);
      if (type == CacheType::bf16) {
        EXPECT_TRUE(found.equal(from.to(at::kBFloat16).to(at::kFloat)));
      } else {
        const Tensor step = from.abs().amax(2, true) / 127;
        EXPECT_TRUE((found - from).abs().le(step * 0.5001).all().item<bool>());
      }
    }
    // Attention over what is kept is attention over those numbers.
    const Tensor q = keys.slice(0, 60) * 0.3;
    AttentionSpans late = spans;
    late.query_offsets = {0, 10};
    AttentionSpans plain = rows.spans;
    plain.query_offsets = {0, 10};
    AttentionOptions options;
    options.scale = 0.2;
    EXPECT_TRUE(
        attention(q, cache.k, cache.v, late, {}, options).equal(attention(q, rows.k, rows.v, plain, {}, options)));
  }
}

// A number that is none stays visible in what is kept of its row and head, and nowhere else.
TEST(PackedEngine, AReducedCacheHidesNoNumberThatIsNotFinite) {
  const at::NoGradGuard off;
  const Tensor positions = at::zeros({kPageRows}, at::kDouble);
  Sequences seq = Sequences::chunk(0, 20, 20);
  seq.pages = std::make_shared<PageTable>(PageTable{{0}});
  for (CacheType type : {CacheType::bf16, CacheType::int8}) {
    for (float broken : {std::nanf(""), INFINITY, -INFINITY}) {
      const Tensor keys = at::ones({20, 3, 10}), values = at::ones({20, 3, 10});
      keys[4][1][9] = broken, values[7][2][0] = broken;
      LayerCache cache = LayerCache::pool(positions, 3, 10, 0, keys.options(), type);
      const KeyRows rows = without_pages(cache.k, cache.v, cache.append(keys, values, seq));
      EXPECT_FALSE(rows.k[4][1][9].isfinite().item<bool>()) << broken;
      EXPECT_FALSE(rows.v[7][2][0].isfinite().item<bool>()) << broken;
      const int64_t most = type == CacheType::int8 ? 10 : 1;
      EXPECT_EQ(rows.k.narrow(0, 0, 20).isfinite().logical_not().sum().item<int64_t>(), most);
      EXPECT_EQ(rows.v.narrow(0, 0, 20).isfinite().logical_not().sum().item<int64_t>(), most);
    }
  }
}

TEST(PackedEngine, AForkTakesNoPageAndCopiesOneAtMost) {
  const auto model = packed_model("rope", WeightType::f32);
  Engine engine(*model, {.tokens = 20 * kPageRows, .cache = CacheType::int8});
  Session trunk = engine.session();
  trunk.prefill(some_tokens(10 * kPageRows + 3));
  const int64_t free = engine.pool().free_pages();
  Session fork = trunk.fork();
  EXPECT_EQ(engine.pool().free_pages(), free);
  EXPECT_TRUE(fork.decode(3).equal(trunk.decode(3)));
  EXPECT_EQ(engine.pool().free_pages(), free - 1);  // the page that both go on in
}

}  // namespace
}  // namespace longhaul
