#include "ops/sequences.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace longhaul {
namespace {

TEST(Sequences, WholeLaysSequencesEndToEnd) {
  const Sequences seq = Sequences::whole({3, 1, 2});
  EXPECT_EQ(seq.offsets, (std::vector<int64_t>{0, 3, 4, 6}));
  EXPECT_EQ(seq.past, (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(seq.total, (std::vector<int64_t>{3, 1, 2}));
  EXPECT_EQ(seq.count(), 3);
  EXPECT_EQ(seq.tokens(), 6);
  EXPECT_EQ(seq.length(2), 2);
  const std::vector<double> expected = {0, 1, 2, 0, 0, 1};
  ASSERT_EQ(seq.positions.scalar_type(), at::kDouble);
  const double* positions = seq.positions.const_data_ptr<double>();
  EXPECT_EQ(std::vector<double>(positions, positions + 6), expected);
}

TEST(Sequences, EqualIsWholeOfEqualLengths) {
  const Sequences seq = Sequences::equal(2, 4);
  EXPECT_EQ(seq.offsets, (std::vector<int64_t>{0, 4, 8}));
  EXPECT_EQ(seq.total, (std::vector<int64_t>{4, 4}));
}

TEST(Sequences, ChunkCountsFromItsPast) {
  const Sequences seq = Sequences::chunk(5, 2, 9);
  EXPECT_EQ(seq.offsets, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(seq.past, std::vector<int64_t>{5});
  EXPECT_EQ(seq.total, std::vector<int64_t>{9});
  const double* positions = seq.positions.const_data_ptr<double>();
  EXPECT_EQ(positions[0], 5);
  EXPECT_EQ(positions[1], 6);
}

TEST(Sequences, RefusesWhatIsNoSequence) {
  EXPECT_THROW(Sequences::whole({}), Error);
  EXPECT_THROW(Sequences::whole({2, 0}), Error);
  EXPECT_THROW(Sequences::chunk(5, 5, 9), Error);
  EXPECT_THROW(Sequences::chunk(-1, 2, 9), Error);
}

}  // namespace
}  // namespace longhaul
