// Byte pair encoding against its definition, done slowly.
#include "text/byte_pair.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "text/made_up.h"

namespace longhaul {
namespace {

// Of all neighbours the pair of the lowest rank becomes one token, the leftmost first; until none is listed.
std::vector<std::string> by_definition(std::string_view piece, const std::vector<Pair>& merges) {
  std::map<Pair, size_t> ranks;
  for (size_t rank = 0; rank < merges.size(); ++rank) ranks[merges[rank]] = rank;
  std::vector<std::string> symbols;
  for (char c : piece) symbols.emplace_back(1, c);
  for (;;) {
    size_t best = std::numeric_limits<size_t>::max(), at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      auto found = ranks.find({symbols[i], symbols[i + 1]});
      if (found != ranks.end() && found->second < best) best = found->second, at = i;
    }
    if (best == std::numeric_limits<size_t>::max()) return symbols;
    symbols[at] += symbols[at + 1];
    symbols.erase(symbols.begin() + static_cast<int64_t>(at) + 1);
  }
}

std::vector<std::string> by_tokenizer(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::string> tokens;
  for (int64_t id : ids_of(tokenizer, text)) tokens.push_back(tokenizer.decode({id}));
  return tokens;
}

// Three letters and many merges: pieces of every length merge deeply, words that the merges never make among them.
TEST(BytePair, IsItsDefinitionOnPiecesOfAnyLength) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Rng rng(3, seed);
    std::vector<Pair> merges = random_merges(rng, "abc", 60);
    PipelineTokenizer tokenizer = made_up_tokenizer(made_up_json(merges));
    for (int round = 0; round < 300; ++round) {
      std::string piece;
      for (uint64_t i = 0, length = 1 + rng.below(round % 3 == 0 ? 200 : 20); i < length; ++i)
        piece += static_cast<char>('a' + rng.below(3));
      ASSERT_EQ(by_tokenizer(tokenizer, piece), by_definition(piece, merges)) << piece;
    }
  }
}

TEST(BytePair, OfEqualPairsTheLastOneCounts) {
  PipelineTokenizer tokenizer = made_up_tokenizer(made_up_json({{"a", "b"}, {"b", "c"}, {"a", "b"}}));
  EXPECT_EQ(by_tokenizer(tokenizer, "abc"), (std::vector<std::string>{"a", "bc"}));
}

// Llama-3: a piece that is a token is that token, though the merges make another of it.
TEST(BytePair, IgnoresMergesWhenAsked) {
  SortedJson json = made_up_json({{"a", "b"}, {"b", "c"}, {"a", "bc"}});
  EXPECT_EQ(by_tokenizer(made_up_tokenizer(json), "abc"), (std::vector<std::string>{"ab", "c"}));
  json["model"]["ignore_merges"] = true;
  EXPECT_EQ(by_tokenizer(made_up_tokenizer(json), "abc"), (std::vector<std::string>{"abc"}));
  EXPECT_EQ(by_tokenizer(made_up_tokenizer(json), "abcb"), (std::vector<std::string>{"ab", "c", "b"}));
}

// Quadratic work would not end here.
TEST(BytePair, AMegabyteOfOneLetterIsNoTrouble) {
  PipelineTokenizer tokenizer = made_up_tokenizer(made_up_json({{"a", "a"}, {"aa", "aa"}}));
  std::vector<int64_t> ids = ids_of(tokenizer, std::string((1 << 20) + 3, 'a'));
  ASSERT_EQ(ids.size(), (1u << 18) + 2);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 257), 1 << 18);  // "aaaa"
  EXPECT_EQ(ids[ids.size() - 2], 256);                          // then "aa", "a"
  EXPECT_EQ(ids.back(), 'a');
}

TEST(WordTable, TellsApartWordsThatShareEveryHash) {
  WordTable table(8);
  const std::string zeros(24, '\0');
  for (uint32_t length = 1; length <= 20; ++length) table.add(std::string_view(zeros).substr(0, length), length);
  for (uint32_t length = 1; length <= 24; ++length) {
    std::string_view word = std::string_view(zeros).substr(0, length);
    EXPECT_EQ(table.find(word, zeros.size()), length <= 20 ? length : WordTable::kNone);
    EXPECT_EQ(table.find(std::string(word), length), length <= 20 ? length : WordTable::kNone);
  }
  EXPECT_EQ(table.find("\x01", 1), WordTable::kNone);
}

}  // namespace
}  // namespace longhaul
