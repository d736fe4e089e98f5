#include "data/loader.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <set>

#include "data/data_test.h"

namespace longhaul {
namespace {

using Ids = std::vector<int64_t>;

// A split whose token at position p is p, cut into shards of the given sizes.
class LoaderTest : public DataTest {
 protected:
  TokenSplit counting(const std::vector<int64_t>& shards) {
    Ids ids(std::accumulate(shards.begin(), shards.end(), int64_t{0}));
    std::iota(ids.begin(), ids.end(), 0);
    std::string folder = write_dataset("counting", ids, shards);
    return Dataset::open(folder).split("train");
  }
};

LoaderOptions sequential(int64_t sequences, int64_t length, int64_t rank = 0, int64_t world = 1) {
  return {"sequential", sequences, length, 0, rank, world};
}

LoaderOptions shuffled(int64_t sequences, int64_t length, uint64_t seed = 1, int64_t rank = 0, int64_t world = 1) {
  return {"shuffled", sequences, length, seed, rank, world};
}

Ids range(int64_t begin, int64_t end) {
  Ids ids(end - begin);
  std::iota(ids.begin(), ids.end(), begin);
  return ids;
}

// First tokens of the next `count` batches, each checked to be B T + 1 consecutive tokens.
Ids first_tokens(Loader& loader, int64_t count) {
  Ids firsts;
  for (int64_t i = 0; i < count; ++i) {
    Batch batch = loader.next();
    int64_t first = batch.inputs.at(0), tokens = batch.sequences * batch.length;
    EXPECT_EQ(batch.inputs, range(first, first + tokens));
    EXPECT_EQ(batch.targets, range(first + 1, first + tokens + 1));
    firsts.push_back(first);
  }
  return firsts;
}

// By hand (spec section 4, B=2, T=3: 7 tokens a batch, advance 6). Shard 0 has tokens 0..17: batches at 0 and 6; the next
// would be 12..18, one too many: hop, tokens 13..17 are dropped. Shard 1 has tokens 18..30: batches at 18 and 24 (24..30
// fits exactly). Shard 2 has tokens 31..50: batches at 31, 37 and 43 (43..49). Then shard 0 again.
TEST_F(LoaderTest, SequentialOrderOnAToyShard) {
  auto loader = make_loader(counting({18, 13, 20}), sequential(2, 3));
  EXPECT_EQ(first_tokens(*loader, 10), (Ids{0, 6, 18, 24, 31, 37, 43, 0, 6, 18}));
}

TEST_F(LoaderTest, SequencesOfABatchLieEndToEnd) {
  auto loader = make_loader(counting({20}), sequential(2, 3));
  Batch batch = loader->next();
  EXPECT_EQ(batch.sequences, 2);
  EXPECT_EQ(batch.length, 3);
  EXPECT_EQ(batch.inputs, (Ids{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(batch.targets, (Ids{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(batch.where, "train tokens 0..6");
}

// By hand, two ranks, B=1, T=4: rank r begins at 4 r and advances by 8. Shard 0: tokens 0..20 (21): rank 0 at 0, 8, 16 (16 + 5 =
// 21 fits); rank 1 at 4, 12 (12 + 5 = 17; 20 + 5 = 25 does not). Shard 1: tokens 21..32 (12): rank 0 at 21 (29 + 5 = 34 > 33
// does not fit), rank 1 at 25 (25 + 5 = 30).
TEST_F(LoaderTest, RanksReadDisjointTokensAndHopByThemselves) {
  TokenSplit split = counting({21, 12});
  EXPECT_EQ(first_tokens(*make_loader(split, sequential(1, 4, 0, 2)), 6), (Ids{0, 8, 16, 21, 0, 8}));
  EXPECT_EQ(first_tokens(*make_loader(split, sequential(1, 4, 1, 2)), 5), (Ids{4, 12, 25, 4, 12}));
}

TEST_F(LoaderTest, AShardTooShortForOneBatchIsAllTail) {
  auto loader = make_loader(counting({7, 3, 8}), sequential(1, 6));
  EXPECT_EQ(first_tokens(*loader, 4), (Ids{0, 10, 0, 10}));
}

TEST_F(LoaderTest, ShuffledVisitsEveryWindowOncePerEpoch) {
  // 61 tokens: windows at 0, 6, ..., 54 (the last reads token 60).
  auto loader = make_loader(counting({25, 36}), shuffled(2, 6));
  std::vector<Ids> epochs;
  for (int epoch = 0; epoch < 3; ++epoch) {
    Ids firsts;
    for (int step = 0; step < 5; ++step) {
      Batch batch = loader->next();
      for (int64_t i = 0; i < 2; ++i) {
        int64_t first = batch.inputs[i * 6];
        EXPECT_EQ(Ids(batch.inputs.begin() + i * 6, batch.inputs.begin() + i * 6 + 6), range(first, first + 6));
        EXPECT_EQ(Ids(batch.targets.begin() + i * 6, batch.targets.begin() + i * 6 + 6), range(first + 1, first + 7));
        firsts.push_back(first);
      }
    }
    EXPECT_EQ(std::set<int64_t>(firsts.begin(), firsts.end()),
              (std::set<int64_t>{0, 6, 12, 18, 24, 30, 36, 42, 48, 54}));
    epochs.push_back(firsts);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
}

TEST_F(LoaderTest, ShuffledRanksShareOneEpochAndSeedsDiffer) {
  TokenSplit split = counting({241});  // 40 windows of 6
  auto whole = make_loader(split, shuffled(4, 6));
  auto even = make_loader(split, shuffled(2, 6, 1, 0, 2)), odd = make_loader(split, shuffled(2, 6, 1, 1, 2));
  for (int step = 0; step < 25; ++step) {
    Ids together = even->next().inputs, second = odd->next().inputs;
    together.insert(together.end(), second.begin(), second.end());
    EXPECT_EQ(together, whole->next().inputs);
  }
  EXPECT_NE(make_loader(split, shuffled(4, 6, 2))->next().inputs, make_loader(split, shuffled(4, 6))->next().inputs);
}

TEST_F(LoaderTest, RestoreContinuesExactly) {
  TokenSplit split = counting({50, 31, 44});
  for (const LoaderOptions& options : {sequential(2, 3, 1, 2), shuffled(3, 5, 7, 1, 2)}) {
    auto loader = make_loader(split, options);
    for (int cut = 0; cut < 30; ++cut) {
      auto resumed = make_loader(split, options);
      resumed->restore(parse_json(loader->state().dump(), "state"));
      Batch wanted = loader->next(), got = resumed->next();
      EXPECT_EQ(got.inputs, wanted.inputs);
      EXPECT_EQ(got.targets, wanted.targets);
      EXPECT_EQ(got.where, wanted.where);
    }
  }
}

TEST_F(LoaderTest, RanksShareOneState) {
  TokenSplit split = counting({100});
  auto zero = make_loader(split, sequential(1, 4, 0, 2)), one = make_loader(split, sequential(1, 4, 1, 2));
  zero->next();
  one->restore(zero->state());
  EXPECT_EQ(one->next().inputs, range(12, 16));
}

TEST_F(LoaderTest, AStateOfAnotherRunIsAnError) {
  TokenSplit split = counting({100});
  auto loader = make_loader(split, shuffled(2, 6, 1));
  auto restored_with = [&](const LoaderOptions& options) {
    return error_of([&] { make_loader(split, options)->restore(loader->state()); });
  };
  EXPECT_EQ(restored_with(shuffled(2, 6, 1)), "no error");
  EXPECT_EQ(restored_with(shuffled(2, 6, 2)), "loader state: seed: this run reads 2, the state was saved with 1");
  EXPECT_EQ(restored_with(shuffled(2, 5, 1)), "loader state: length: this run reads 5, the state was saved with 6");
  EXPECT_EQ(restored_with(sequential(2, 6)),
            "loader state: order: this run reads \"sequential\", the state was saved with \"shuffled\"");
  Json broken = loader->state();
  broken["step"] = -1;
  EXPECT_NE(error_of([&] { loader->restore(broken); }).find("step"), std::string::npos);
  EXPECT_NE(error_of([&] { loader->restore(Json::array()); }), "no error");
}

TEST_F(LoaderTest, TooLittleDataNamesBothFigures) {
  TokenSplit split = counting({13, 5});
  EXPECT_NO_THROW(make_loader(split, sequential(2, 6)));
  EXPECT_EQ(error_of([&] { make_loader(split, sequential(2, 7)); }),
            "loader: a batch of 2 x 7 for rank 0 of 1 needs a shard of 15 tokens, the longest of split 'train' has 13");
  EXPECT_NO_THROW(make_loader(split, shuffled(1, 17)));
  EXPECT_EQ(error_of([&] { make_loader(split, shuffled(1, 18)); }),
            "loader: a batch of 1 x 1 windows of 18 needs 19 tokens, split 'train' has 18");
  EXPECT_EQ(error_of([&] { make_loader(split, sequential(0, 7)); }), "loader: sequences must be > 0, got 0");
  EXPECT_EQ(error_of([&] { make_loader(split, sequential(1, 4, 2, 2)); }), "loader: rank must be in [0, 2), got 2");
  LoaderOptions random = sequential(1, 4);
  random.order = "random";
  EXPECT_EQ(error_of([&] { make_loader(split, random); }),
            "loader: order must be sequential or shuffled, got 'random'");
}

// Windows of five tokens over documents that begin at 0, 3, 4, 9 and 15: the pieces of each, by hand.
TEST_F(LoaderTest, ResetsCutWindowsWhereDocumentsBegin) {
  std::string folder = write_dataset("documents", range(0, 21), {12, 9});
  put(folder + "/train_documents.bin", packed<uint64_t>({0, 3, 4, 9, 15}));
  Json manifest = read_json(folder + "/manifest.json");
  manifest["splits"]["train"]["documents"] = 5;
  put(folder + "/manifest.json", manifest.dump());
  TokenSplit split = Dataset::open(folder).split("train");
  LoaderOptions options = shuffled(4, 5);
  EXPECT_EQ(make_loader(split, options)->next().pieces, (Ids{5, 5, 5, 5}));
  options.reset_at_documents = true;
  const std::map<int64_t, Ids> wanted = {{0, {3, 1, 1}}, {5, {4, 1}}, {10, {5}}, {15, {5}}};
  Batch batch = make_loader(split, options)->next();
  Ids pieces;
  for (int64_t i = 0; i < 4; ++i) {
    const Ids& of_window = wanted.at(batch.inputs[i * 5]);
    pieces.insert(pieces.end(), of_window.begin(), of_window.end());
  }
  EXPECT_EQ(batch.pieces, pieces);
}

}  // namespace
}  // namespace longhaul
